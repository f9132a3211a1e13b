package main

import (
	"encoding/json"
	"io"
	"sync"
)

type fields map[string]any

// output writes lines of JSON, each of them whole.
type output struct {
	lock  sync.Mutex
	to    io.Writer
	clock *clock
}

// event reports something that happened; at_ns is the time since the epoch.
func (o *output) event(name string, with fields) {
	line := fields{"event": name, "at_ns": int64(o.clock.now())}
	for key, value := range with {
		line[key] = value
	}
	o.write(line)
}

// reply answers a command. With err, the fields are not sent.
func (o *output) reply(id json.RawMessage, with fields, err error) {
	line := fields{"reply": id, "ok": err == nil, "at_ns": int64(o.clock.now())}
	if err != nil {
		line["error"] = err.Error()
	} else {
		for key, value := range with {
			line[key] = value
		}
	}
	o.write(line)
}

func (o *output) write(line fields) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err) // only our own types get here
	}
	o.raw(text)
}

// raw writes a line that is JSON already.
func (o *output) raw(line []byte) {
	o.lock.Lock()
	defer o.lock.Unlock()
	// Nobody is left to be told that nobody listens; the end of the input follows.
	_, _ = o.to.Write(append(append([]byte(nil), line...), '\n'))
}
