"""A site for real application servers, and the browsers that ask it."""
