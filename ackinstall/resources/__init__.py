"""The types of objects that an installation is made of, one file each (see ackinstall.resource)."""
