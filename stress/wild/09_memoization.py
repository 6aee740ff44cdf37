"""`memoization`: asking what is cached fails while something is put there.

`cache_contains_result()` goes over the cache; a cached function that is called for the first time
puts its result there without the lock. The look ends with "dictionary changed size during
iteration".

Claims to be thread-safe: `thread_safe` is True by default, and its table of features has a row
"Thread safety".
"""

from threading import Thread

import memoization

REQUIREMENTS = ("memoization==0.4.0",)
MODULES = ("memoization.caching.plain_cache",)


def what_is_cached_can_be_looked_at():
    @memoization.cached
    def double(number):
        return number * 2

    double(1)
    double(2)
    threads = [
        Thread(target=double.cache_contains_result, args=(7,)),
        Thread(target=double, args=(3,)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


TEST = what_is_cached_can_be_looked_at
