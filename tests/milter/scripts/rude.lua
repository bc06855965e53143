-- An MTA that goes away in the midst of a message, twice.
for n = 1, 2 do
    conn = mt.connect(socket)
    assert(conn, "no connection")
    assert(mt.conninfo(conn, "localhost", "127.0.0.1") == nil)
    assert(mt.mailfrom(conn, "<ada@example.org>") == nil)
    assert(mt.rcptto(conn, "<ben@example.net>") == nil)
    assert(mt.header(conn, "From", "ada@example.org") == nil)
    mt.disconnect(conn, false)
end
