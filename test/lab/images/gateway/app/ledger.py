"""Every acknowledged write, in order, kept in memory for the tests to read."""

import threading
import time


class Ledger:
    def __init__(self):
        self.changed = threading.Condition()
        self.entries = []

    def note(self, store, target, key):
        """Called only after the store has acknowledged the write."""
        with self.changed:
            self.entries.append(
                {"seq": len(self.entries), "at": time.time() * 1000, "store": store, "target": target, "key": key}
            )
            self.changed.notify_all()

    def since(self, seq, wait=0.0):
        with self.changed:
            if wait and len(self.entries) <= seq:
                self.changed.wait(wait)
            return self.entries[seq:]
