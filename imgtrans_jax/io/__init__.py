"""Files: pictures, JSON, what is written, and what is not written over; colours and texts as
numbers."""
