package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// material is one loop of encoded media.
type material struct {
	units    [][]byte // pictures or packets, in order
	gop      int64    // every how many units one can start
	width    int
	height   int
	silence  []byte // a packet that sounds like nothing; nil for pictures
	rate     cadence
	rtpClock int64
}

// unit returns the n-th unit since the epoch.
func (m *material) unit(n int64) []byte { return m.units[n%int64(len(m.units))] }

// videoSpec and audioSpec say which material it is.
type videoSpec struct {
	codec         string
	width, height int
	fps, tag      int
	busy          bool // with texture, at the bitrate of a camera
	still         bool // always the same frame
}

type audioSpec struct {
	codec   string
	toneHz  int
	stereo  bool
	rightHz int // with stereo
}

const (
	packetsPerSecond = 50
	opusRate         = 48000
	g711Rate         = 8000
	// The Opus encoder has this long to settle before the first packet that is used.
	opusPrerollPackets = 50
)

// gop returns the distance of key frames: half a second, or a second where that is no whole number.
func (s videoSpec) gop() int {
	if s.fps%2 == 0 {
		return s.fps / 2
	}
	return s.fps
}

func (s videoSpec) check() error {
	_, known := videoCodecs[s.codec]
	switch {
	case !known:
		return fmt.Errorf("unknown video codec %q; it is h264, h265, vp8 or vp9", s.codec)
	case s.width < 160 || s.height < 90 || s.width > 3840 || s.height > 2160:
		return fmt.Errorf("a picture of %dx%d; it is 160x90 to 3840x2160", s.width, s.height)
	case strings.HasPrefix(s.codec, "h26") && (s.width%2 != 0 || s.height%2 != 0):
		return fmt.Errorf("%s of 4:2:0 has no odd size like %dx%d", s.codec, s.width, s.height)
	case s.fps < 2 || s.fps*loopSeconds > 1<<counterBits:
		return fmt.Errorf("%d frames per second; it is 2 to %d", s.fps, 1<<counterBits/loopSeconds)
	case s.tag < 0 || s.tag >= 1<<tagBits:
		return fmt.Errorf("tag %d; it is 0 to %d", s.tag, 1<<tagBits-1)
	}
	return nil
}

func (s audioSpec) check() error {
	switch {
	case s.codec != "opus" && s.codec != "pcmu" && s.codec != "pcma":
		return fmt.Errorf("unknown audio codec %q; it is opus, pcmu or pcma", s.codec)
	case s.toneHz < 100 || s.toneHz > highestTone:
		return fmt.Errorf("a tone of %d Hz; it is 100 to %d", s.toneHz, highestTone)
	case s.stereo && s.codec != "opus":
		return fmt.Errorf("%s is never stereo", s.codec)
	}
	return nil
}

// load returns the material, made before if this is the first time that anybody asks for it.
func (s videoSpec) load() (*material, error) {
	path, err := s.file()
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return s.parse(data)
}

func (s videoSpec) parse(data []byte) (*material, error) {
	codec := videoCodecs[s.codec]
	frames, err := codec.read(data)
	if err != nil {
		return nil, err
	}
	if len(frames) != s.fps*loopSeconds {
		return nil, fmt.Errorf("%d %s pictures instead of %d", len(frames), s.codec, s.fps*loopSeconds)
	}
	for n, frame := range frames {
		if n%s.gop() == 0 && !codec.isKey(frame) {
			return nil, fmt.Errorf("%s picture %d is not a key frame", s.codec, n)
		}
	}
	return &material{units: frames, gop: int64(s.gop()), width: s.width, height: s.height,
		rate: cadence{int64(s.fps)}, rtpClock: 90000}, nil
}

func (s audioSpec) load() (*material, error) {
	switch s.codec {
	case "pcmu":
		return s.g711(muLaw), nil
	case "pcma":
		return s.g711(aLaw), nil
	}
	path, err := s.file()
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return s.parse(data)
}

func (s audioSpec) parse(data []byte) (*material, error) {
	packets, _, err := readOggOpus(data)
	if err != nil {
		return nil, err
	}
	count := loopSeconds * packetsPerSecond
	if len(packets) < opusPrerollPackets+count {
		return nil, fmt.Errorf("only %d Opus packets", len(packets))
	}
	// One 20 ms frame of CELT at full band, of no content (RFC 6716 section 3.1).
	silence := []byte{0xf8, 0xff, 0xfe}
	if s.stereo {
		silence[0] |= 4
	}
	return &material{units: packets[opusPrerollPackets : opusPrerollPackets+count], gop: 1,
		silence: silence, rate: cadence{packetsPerSecond}, rtpClock: opusRate}, nil
}

func (s audioSpec) g711(encode func(int16) byte) *material {
	const size = g711Rate / packetsPerSecond
	m := &material{gop: 1, rate: cadence{packetsPerSecond}, rtpClock: g711Rate}
	m.silence = bytes.Repeat([]byte{encode(0)}, size)
	for n := range int64(loopSeconds * packetsPerSecond) {
		packet := make([]byte, size)
		for i := range packet {
			packet[i] = encode(pcm16(soundAt(n*size+int64(i), g711Rate, s.toneHz)))
		}
		m.units = append(m.units, packet)
	}
	return m
}

// newAudioSpec fills in the tone of a tag if none is given.
func newAudioSpec(codec string, toneHz, tag int, stereo bool) audioSpec {
	if toneHz == 0 {
		toneHz = 400 + 50*tag
	}
	s := audioSpec{codec: codec, toneHz: toneHz, stereo: stereo}
	if stereo {
		s.rightHz = toneHz + stereoStepHz
	}
	return s
}
