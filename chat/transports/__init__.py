"""The doors: each reads its protocol's request, starts or finds a run, and translates the events. None generates."""
