"""Numbers, money, dates and times as Mandarin says them, and the way back from what was recognised."""
