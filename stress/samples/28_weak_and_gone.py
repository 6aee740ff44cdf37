"""A cache of weak references, asked whether it has something and then for it.

The entry goes when the last user lets go of the object, on whatever thread, also between `in` and
`[]`: KeyError. Mended: one look, `get`, which gives the object (and then holds it) or None.
"""

import weakref

from ftstress import together

FOUND_BY = ("schedules",)


class Image:
    width = 640

    def draw(self):
        self.is_drawn = True


class Images:
    def __init__(self):
        self.cache = weakref.WeakValueDictionary()

    def use(self):
        image = Image()
        self.cache["logo"] = image
        image.draw()  # the last use: it goes when this method ends

    def width(self):
        if "logo" in self.cache:
            return self.cache["logo"].width
        return 0

    def width_if_there(self):
        image = self.cache.get("logo")
        return 0 if image is None else image.width


def racy():
    images = Images()
    together(images.use, images.width)


def mended():
    images = Images()
    together(images.use, images.width_if_there)
