"""One model: built, loaded, saved, fed."""
