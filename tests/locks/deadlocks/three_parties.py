"""Three threads in a ring, each holding what the one before it wants; a different lock each."""

from locks.deadlocks.threads import Meeting, run_all

from ftlocks import KeyedLock, RLock, RWLock


def main():
    stock, orders, prices = RLock("stock"), RWLock("orders"), KeyedLock("prices")
    all_hold_one = Meeting(3)

    def sell():
        with stock:
            all_hold_one.meet()
            with orders.write():
                pass

    def list_orders():
        with orders.read():
            all_hold_one.meet()
            with prices.hold("EUR"):
                pass

    def reprice():
        with prices.hold("EUR"):
            all_hold_one.meet()
            with stock:
                pass

    return run_all(sell=sell, list_orders=list_orders, reprice=reprice)
