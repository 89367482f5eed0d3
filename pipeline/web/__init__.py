"""`longtake web`: the HTTP API over a folder of jobs, and the server that the page lives in."""
