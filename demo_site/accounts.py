"""The users that a learner signs in as."""

from django.contrib.auth import get_user_model

PASSWORD = "cookie-jar"  # noqa: S105 (printed on the login page: the demo has nothing to protect)
NAMES = ("alice", "bob")
STAFF = "alice"


def make_demo_users() -> None:
    """Make the users, or leave them as they are: a second run signs nobody out."""
    user_model = get_user_model()
    for name in NAMES:
        is_staff = name == STAFF
        user, is_new = user_model.objects.get_or_create(
            username=name,
            defaults={
                "email": f"{name}@shop.example",
                "is_staff": is_staff,
                "is_superuser": is_staff,
            },
        )
        if is_new or not user.check_password(PASSWORD):
            user.set_password(PASSWORD)
            user.save()
