-- wrk: send one JSON body again and again
wrk.method = "POST"
wrk.body = '{"q": "hello"}'
wrk.headers["Content-Type"] = "application/json"
