"""What pages read, one module a subject. Reading only; nothing here changes a row."""
