from ftlocks.tables import find


def test_it_is_get():
    table = {1: "one", "x": None}
    for key in (1, 1.0, True, "x", "y", 2):
        assert find(table, key) == table.get(key)
        assert find(table, key, "default") == table.get(key, "default")
