"""What the headers of a request say, and how far they are to be believed."""
