"""What scenarios start their threads with."""

import threading
from collections.abc import Callable


def together(*functions: Callable[[], object]) -> None:
    """Run each on a thread of its own, to the end; raise the first failure."""
    failures: list[BaseException] = []

    def guarded(function: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            try:
                function()
            except Exception as error:  # noqa: BLE001  # raised by the thread that joins
                failures.append(error)

        return run

    threads = [threading.Thread(target=guarded(function)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
