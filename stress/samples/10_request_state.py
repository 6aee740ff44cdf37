"""A shared adapter that keeps the current request in an attribute.

With one instance for all requests, `self.user` is the user of whoever wrote last: one request
answers with another's data. Mended: what belongs to a request stays in local variables (or in a
`threading.local`).
"""

import threading


class Adapter:
    def greet(self, user):
        self.user = user
        return self.make_text()

    def make_text(self):
        return f"hello {self.user}"

    def greet_local(self, user):
        return f"hello {user}"


def requests(function):
    threads = [threading.Thread(target=function, args=(user,)) for user in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def racy():
    requests(Adapter().greet)


def mended():
    requests(Adapter().greet_local)
