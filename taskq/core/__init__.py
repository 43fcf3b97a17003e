"""State machines: inputs in, effects out; no clock, chance, thread, socket or kombu."""
