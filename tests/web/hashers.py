"""A password hasher that counts what would cost time."""

from django.contrib.auth.hashers import MD5PasswordHasher


class CountingHasher(MD5PasswordHasher):
    """How many hashes were computed."""

    algorithm = "counting"
    hashes = 0

    def encode(self, password: str, salt: str) -> str:
        """Count, then hash."""
        type(self).hashes += 1
        return super().encode(password, salt)
