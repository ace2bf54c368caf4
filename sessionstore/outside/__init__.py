"""Sign-out from outside: what an OpenID provider says, and whether that is to be believed."""
