"""A shared adapter that keeps the current request in an attribute.

With one instance for all requests, `self.user` is the user of whoever wrote last: one request
answers with another's data. Mended: what belongs to a request stays in local variables (or in a
`threading.local`).
"""

from ftstress import together

FOUND_BY = ("races", "schedules")


class Adapter:
    def greet(self, user):
        self.user = user
        return self.make_text()

    def make_text(self):
        return f"hello {self.user}"

    def greet_local(self, user):
        return f"hello {user}"


def racy():
    adapter = Adapter()
    texts = together(lambda: adapter.greet("ann"), lambda: adapter.greet("bob"))
    assert texts == ["hello ann", "hello bob"]


def mended():
    adapter = Adapter()
    texts = together(lambda: adapter.greet_local("ann"), lambda: adapter.greet_local("bob"))
    assert texts == ["hello ann", "hello bob"]
