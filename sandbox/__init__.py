"""The other side of every channel: a gateway process that reads channel files in reverse and misbehaves on request."""
