"""An operation as an object: calling, deriving, showing."""
