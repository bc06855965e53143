-- An MTA that speaks version 2 cannot be served: the connection ends, and the milter goes on.
conn = mt.connect(socket)
assert(conn, "no connection")
assert(mt.negotiate(conn, 2, nil, nil) ~= nil, "version 2 was agreed on")
conn = mt.connect(socket)
assert(mt.negotiate(conn, nil, nil, nil) == nil)
mt.disconnect(conn)
