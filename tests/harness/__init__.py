"""What the tests stand on: private servers, one list of databases, one list of engines, a clock."""
