"""Which sessions a name from outside means: the table of links, and its verbs."""
