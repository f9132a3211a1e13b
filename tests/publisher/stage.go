package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"
)

// command is a line of the input.
type command struct {
	ID          json.RawMessage `json:"id"`
	Cmd         string          `json:"cmd"`
	Participant string          `json:"participant"`

	// join
	URL        string `json:"url"`
	APIKey     string `json:"api_key"`
	APISecret  string `json:"api_secret"`
	Token      string `json:"token"`
	Room       string `json:"room"`
	Identity   string `json:"identity"`
	Name       string `json:"name"`
	Metadata   string `json:"metadata"`
	Tag        int    `json:"tag"`
	OwnProcess bool   `json:"own_process"`

	// publish, and what is done to a track
	Track     string   `json:"track"`
	Kind      string   `json:"kind"`
	Codec     string   `json:"codec"`
	Width     int      `json:"width"`
	Height    int      `json:"height"`
	FPS       int      `json:"fps"`
	Busy      bool     `json:"busy"`
	Still     bool     `json:"still"`
	ToneHz    int      `json:"tone_hz"`
	Source    string   `json:"source"`
	Stereo    bool     `json:"stereo"`
	Encrypted bool     `json:"encrypted"`
	Simulcast int      `json:"simulcast"`
	Silence   bool     `json:"silence"`
	Ms        int64    `json:"ms"`
	Send      []string `json:"send"`

	line []byte // as it came
}

// parseCommand takes no names that it does not know: a test with a typing error should fail. The
// command has its id, where there is one, with an error too.
func parseCommand(line []byte) (*command, error) {
	c := &command{line: append([]byte(nil), line...)}
	_ = json.Unmarshal(line, &struct{ ID *json.RawMessage }{&c.ID}) // the same error follows
	strict := json.NewDecoder(bytes.NewReader(line))
	strict.DisallowUnknownFields()
	return c, strict.Decode(c)
}

func (c *command) identity() string {
	if c.Identity != "" {
		return c.Identity
	}
	return c.Participant
}

// kind is what the codec says where the command does not.
func (c *command) kind() string {
	if c.Kind != "" {
		return c.Kind
	}
	if _, video := videoCodecs[c.Codec]; video {
		return "video"
	}
	return "audio"
}

func (c *command) videoSpec(tag int) videoSpec {
	s := videoSpec{codec: c.Codec, width: c.Width, height: c.Height, fps: c.FPS, tag: tag,
		busy: c.Busy, still: c.Still}
	if s.width == 0 && s.height == 0 {
		s.width, s.height = 640, 360
	}
	if s.fps == 0 {
		s.fps = 30
	}
	return s
}

func (c *command) audioSpec(tag int) audioSpec {
	codec := c.Codec
	if codec == "" {
		codec = "opus"
	}
	return newAudioSpec(codec, c.ToneHz, tag, c.Stereo)
}

// actor is a participant, here or in a process of its own.
type actor struct {
	queue chan *command // what it is to do, in order; the actor's goroutine ends with it

	lock sync.Mutex
	here *participant
	away *process
}

// stage holds all participants and gives each its commands.
type stage struct {
	clock  *clock
	out    *output
	actors map[string]*actor // by name; only touched by the goroutine that reads commands
	ended  sync.WaitGroup
}

func newStage(c *clock, to io.Writer) *stage {
	return &stage{clock: c, out: &output{to: to, clock: c}, actors: map[string]*actor{}}
}

// accept takes one line; it returns false when that was the last.
func (s *stage) accept(line []byte) bool {
	c, err := parseCommand(line)
	if err != nil {
		s.out.reply(c.ID, nil, fmt.Errorf("not a command: %w", err))
		return true
	}
	switch {
	case c.Cmd == "quit":
		s.close()
		s.out.reply(c.ID, nil, nil)
		return false
	case c.Cmd == "list":
		s.out.reply(c.ID, s.list(), nil)
	case c.Participant == "":
		s.out.reply(c.ID, nil, fmt.Errorf("%q needs a participant", c.Cmd))
	default:
		s.actor(c.Participant).queue <- c
	}
	return true
}

func (s *stage) actor(name string) *actor {
	a := s.actors[name]
	if a == nil {
		a = &actor{queue: make(chan *command, 64)}
		s.actors[name] = a
		s.ended.Add(1)
		go func() {
			defer s.ended.Done()
			for c := range a.queue {
				s.do(a, c)
			}
			a.leave()
		}()
	}
	return a
}

// do runs in the actor's goroutine.
func (s *stage) do(a *actor, c *command) {
	here, away := a.who()
	if c.Cmd == "join" && here != nil && here.isDisconnected() {
		a.leave()
		here = nil
	}
	switch {
	case c.Cmd == "join" && (here != nil || away != nil):
		s.out.reply(c.ID, nil, fmt.Errorf("%s has joined already", c.Participant))
	case c.Cmd == "join":
		s.join(a, c)
	case here == nil && away == nil:
		s.out.reply(c.ID, nil, fmt.Errorf("%s has not joined", c.Participant))
	case c.Cmd == "kill" && away == nil:
		s.out.reply(c.ID, nil, errors.New("only who has joined with own_process can be killed"))
	case c.Cmd == "kill":
		away.kill()
		a.set(nil, nil)
		s.out.reply(c.ID, nil, nil)
	case c.Cmd == "leave":
		a.leave()
		s.out.reply(c.ID, nil, nil)
	case away != nil:
		if err := away.send(c.line); err != nil {
			s.out.reply(c.ID, nil, fmt.Errorf("the participant's process is gone: %w", err))
		}
	default:
		reply, err := here.handle(c)
		s.out.reply(c.ID, reply, err)
	}
}

func (s *stage) join(a *actor, c *command) {
	if c.OwnProcess {
		away, sid, err := startProcess(c, s.clock, s.out)
		if err == nil {
			a.set(nil, away)
		}
		s.out.reply(c.ID, fields{"sid": sid}, err)
		return
	}
	here, err := join(c, s.clock, s.out)
	if err != nil {
		s.out.reply(c.ID, nil, err)
		return
	}
	a.set(here, nil)
	s.out.reply(c.ID, fields{"sid": here.room.LocalParticipant.SID()}, nil)
}

func (a *actor) who() (*participant, *process) {
	a.lock.Lock()
	defer a.lock.Unlock()
	return a.here, a.away
}

func (a *actor) set(here *participant, away *process) {
	a.lock.Lock()
	defer a.lock.Unlock()
	a.here, a.away = here, away
}

func (a *actor) leave() {
	here, away := a.who()
	a.set(nil, nil)
	if here != nil {
		here.leave()
	}
	if away != nil {
		away.quit()
	}
}

// close makes everybody leave.
func (s *stage) close() {
	for name, a := range s.actors {
		close(a.queue)
		delete(s.actors, name)
	}
	s.ended.Wait()
}

func (s *stage) list() fields {
	everybody := []fields{}
	for name, a := range s.actors {
		here, away := a.who()
		if here != nil {
			everybody = append(everybody, here.describe())
		} else if away != nil {
			everybody = append(everybody, fields{"participant": name, "pid": away.pid()})
		}
	}
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // cannot fail with these arguments
	cpu := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	return fields{"epoch_ns": s.clock.epochNs, "participants": everybody, "cpu_seconds": cpu.Seconds()}
}
