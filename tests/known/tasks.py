"""What a site writes that sends its mails by a task."""

from django_tasks import task

from sessionstore.known_devices.notice import send


@task
def send_notice(**mail):
    """Send it."""
    send(**mail)


class Later:
    """A queue with Celery's one method: it sends when the test says so."""

    def __init__(self):
        self.waiting = []

    def delay(self, **mail):
        """Keep it."""
        self.waiting.append(mail)


later = Later()


def fails(**_mail):
    """A mail server that is down."""
    message = "no connection to ann@shop.example"
    raise OSError(message)
