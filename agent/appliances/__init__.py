"""One adapter per kind of appliance: abilities in, decisions and commands out. `table` names them all."""
