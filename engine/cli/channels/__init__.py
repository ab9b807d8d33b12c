"""The workshop of channel files: a new one, its examples, its bytes in both directions, and a drive against the sandbox."""
