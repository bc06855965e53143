"""Mail by several processes: workers that judge, sign and relay, beside the one process that has the store.

    client ─ SMTP ─▶ worker ─ SMTP ─▶ next hop         as many as `[smtp] workers` says; no store, no AMI
                       │ ▲
      a UNIX socket    │ │   whose account? keep these offers; withdraw; notes of copies; what was counted
                       ▼ │
                    control process: store, calls, pages, clock

A worker gets the listening sockets (SMTP, milter) and its end of the socket pair by inheritance, and the configuration
on standard input, so that all processes of a gateway run on the same one. All listen on the same sockets, which belong
to the control process: a worker that dies takes no connection with it that was not accepted yet, and one that has less
to do accepts more (SO_REUSEPORT would share ten connections out by chance, and leave a core without work).
"""
