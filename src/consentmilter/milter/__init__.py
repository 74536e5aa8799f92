"""The mail side: what a worker process runs behind the milter socket."""
