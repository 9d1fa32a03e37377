"""Dynamic graphs: what comes next in a stream of events."""
