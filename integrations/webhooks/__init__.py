"""From an event in the outbox to a receiver that has it.

`outbox` turns events into deliveries; `queue` says which are due and writes what became of them; `sending` makes one
signed request; `courier` is the loop in the worker that drives them, with many requests in flight.
"""
