package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
)

// process is a participant in a process of its own, which can be killed like a browser that
// crashes: the server is told nothing.
type process struct {
	command *exec.Cmd
	to      io.WriteCloser
	ended   chan struct{}
	joined  chan answer // to the join, which is its first command
}

type answer struct {
	OK    bool   `json:"ok"`
	Error string `json:"error"`
	SID   string `json:"sid"`
}

// startProcess runs this program once more and has it do the join; its output becomes ours. It
// returns the participant's sid.
func startProcess(c *command, clock *clock, out *output) (*process, string, error) {
	p, err := spawn(c.Participant, clock, out)
	if err != nil {
		return nil, "", err
	}
	line, err := withoutOwnProcess(c.line)
	if err == nil {
		err = p.send(line)
	}
	if err != nil {
		p.kill()
		return nil, "", err
	}
	select {
	case reply := <-p.joined:
		if reply.OK {
			return p, reply.SID, nil
		}
		err = errors.New(reply.Error)
	case <-p.ended:
		err = errors.New("join: the participant's process has ended")
	}
	p.quit()
	return nil, "", err
}

func spawn(name string, clock *clock, out *output) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{
		command: exec.Command(self, "-quiet-start", "-epoch", strconv.FormatInt(clock.epochNs, 10)),
		ended:   make(chan struct{}),
		joined:  make(chan answer, 1),
	}
	p.command.Stderr = os.Stderr
	if p.to, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	from, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	go p.forward(from, name, out)
	return p, nil
}

func withoutOwnProcess(line []byte) ([]byte, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(line, &all); err != nil {
		return nil, err
	}
	delete(all, "own_process")
	return json.Marshal(all)
}

func (p *process) forward(from io.Reader, name string, out *output) {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 0, 4096), maxLineBytes)
	for joining := true; lines.Scan(); {
		if joining && bytes.Contains(lines.Bytes(), []byte(`"reply":`)) {
			var reply answer
			if err := json.Unmarshal(lines.Bytes(), &reply); err != nil {
				reply.Error = err.Error()
			}
			p.joined <- reply
			joining = false
			continue
		}
		out.raw(lines.Bytes())
	}
	err := p.command.Wait()
	ending := "exit status 0"
	if err != nil {
		ending = err.Error()
	}
	out.event("process_ended", fields{"participant": name, "ending": ending})
	close(p.ended)
}

func (p *process) send(line []byte) error {
	_, err := p.to.Write(append(bytes.TrimSpace(line), '\n'))
	return err
}

func (p *process) pid() int { return p.command.Process.Pid }

func (p *process) kill() {
	_ = p.command.Process.Kill() // fails only if it is gone already
	<-p.ended
}

// quit makes it leave.
func (p *process) quit() {
	_ = p.to.Close()
	<-p.ended
}
