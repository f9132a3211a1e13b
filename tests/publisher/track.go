package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
)

// What of a packet is payload; room is left for headers, and for what SRTP adds.
const payloadBytes = 1150

// Whoever wakes up later than this has been stopped, and starts anew instead of catching up.
const lateLimit = 2 * time.Second

// track publishes one track: a loop of its own sends each unit at the instant it is due.
type track struct {
	name   string
	clock  *clock
	out    *output
	fields fields // that say which track it is, in events
	pc     func() *webrtc.PeerConnection
	done   chan struct{}
	ended  sync.WaitGroup
	sid    atomic.Value // string

	lock        sync.Mutex // held while a unit is sent; what follows is its
	layers      []*layer
	muted       bool
	silent      bool // what to do while muted: send silence instead of nothing
	stalledTill time.Duration
	sending     bool
	lastUnit    int64 // -1 before the first
}

// layer is one encoding of a track, of which there are several with simulcast.
type layer struct {
	rid       string
	local     *lksdk.LocalTrack
	material  *material
	next      *material // takes the place of material at its next key frame
	payloader rtp.Payloader
	sequence  uint16
	off       bool
	live      bool // not off, and a key frame has been sent since
}

var capabilities = map[string]webrtc.RTPCodecCapability{
	"h264": {MimeType: webrtc.MimeTypeH264, ClockRate: 90000,
		SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"},
	"h265": {MimeType: webrtc.MimeTypeH265, ClockRate: 90000},
	"vp8":  {MimeType: webrtc.MimeTypeVP8, ClockRate: 90000},
	"vp9":  {MimeType: webrtc.MimeTypeVP9, ClockRate: 90000, SDPFmtpLine: "profile-id=0"},
	"opus": {MimeType: webrtc.MimeTypeOpus, ClockRate: opusRate, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1"},
	"pcmu": {MimeType: webrtc.MimeTypePCMU, ClockRate: g711Rate},
	"pcma": {MimeType: webrtc.MimeTypePCMA, ClockRate: g711Rate},
}

func payloaderOf(codec string) rtp.Payloader {
	switch codec {
	case "h264":
		return &codecs.H264Payloader{}
	case "h265":
		return &codecs.H265Payloader{}
	case "vp8":
		return &codecs.VP8Payloader{EnablePictureID: true}
	case "vp9":
		return &codecs.VP9Payloader{}
	case "opus":
		return &codecs.OpusPayloader{}
	}
	return &codecs.G711Payloader{}
}

func newLayer(codec, rid string, m *material, options ...lksdk.LocalTrackOptions) (*layer, error) {
	local, err := lksdk.NewLocalTrack(capabilities[codec], options...)
	if err != nil {
		return nil, err
	}
	return &layer{rid: rid, local: local, material: m, payloader: payloaderOf(codec)}, nil
}

var simulcastRIDs = []struct {
	rid     string
	quality livekit.VideoQuality
	divisor int
}{
	{"q", livekit.VideoQuality_LOW, 4},
	{"h", livekit.VideoQuality_MEDIUM, 2},
	{"f", livekit.VideoQuality_HIGH, 1},
}

// newSimulcastLayers makes two or three layers, the biggest last, each half as wide as the next.
func newSimulcastLayers(spec videoSpec, count int) ([]*layer, error) {
	if count < 2 || count > len(simulcastRIDs) {
		return nil, fmt.Errorf("%d simulcast layers; it is 2 or 3", count)
	}
	var layers []*layer
	id := fmt.Sprintf("simulcast-%d", time.Now().UnixNano())
	for _, kind := range simulcastRIDs[len(simulcastRIDs)-count:] {
		size := spec
		size.width = spec.width / kind.divisor / 2 * 2
		size.height = spec.height / kind.divisor / 2 * 2
		m, err := size.load()
		if err != nil {
			return nil, err
		}
		l, err := newLayer(spec.codec, kind.rid, m, lksdk.WithSimulcast(id, &livekit.VideoLayer{
			Quality: kind.quality, Width: uint32(size.width), Height: uint32(size.height)}))
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	return layers, nil
}

func (t *track) start() {
	t.lastUnit = -1
	t.done = make(chan struct{})
	t.ended.Add(1)
	go t.run()
}

func (t *track) stop() {
	close(t.done)
	t.ended.Wait()
}

func (t *track) run() {
	defer t.ended.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	n := t.rate().next(t.clock.now())
	for {
		if now := t.clock.now(); now-t.rate().due(n) > lateLimit {
			n = t.rate().next(now)
			t.interrupt()
		}
		timer.Reset(t.rate().due(n) - t.clock.now())
		select {
		case <-t.done:
			return
		case <-timer.C:
		}
		t.send(n)
		n++
	}
}

func (t *track) rate() cadence { return t.layers[0].material.rate }

// interrupt makes the track wait for a key frame.
func (t *track) interrupt() {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.sending = false
}

// ready tells whether what is sent now would reach the server.
func (t *track) ready() bool {
	for _, l := range t.layers {
		if !l.local.IsBound() {
			return false
		}
	}
	pc := t.pc()
	return pc != nil && pc.ConnectionState() == webrtc.PeerConnectionStateConnected
}

// send sends unit n, unless the track is muted, or stalled, or waits for a key frame.
func (t *track) send(n int64) {
	t.lock.Lock()
	defer t.lock.Unlock()
	at := t.rate().due(n)
	silent := t.muted && t.silent
	if t.muted && !silent || at < t.stalledTill || !t.ready() {
		t.sending = false
		return
	}
	isKey := n%t.layers[0].material.gop == 0
	if !t.sending && !isKey {
		return
	}
	for _, l := range t.layers {
		if isKey && l.next != nil {
			l.material, l.next = l.next, nil
		}
		if silent {
			l.send(l.material.silence, at, quiet)
			continue
		}
		l.live = !l.off && (l.live || isKey)
		if l.live {
			l.send(l.material.unit(n), at, toneLevel)
		}
	}
	if !t.sending && !silent {
		t.sending = true
		t.out.event("sending", t.with(fields{"unit": n, "media_ns": int64(at)}))
	}
	t.lastUnit = n
}

// send packetizes what is due at an instant; level is how loud it is if it is sound. Errors mean that the
// connection is going down, which is reported elsewhere.
func (l *layer) send(data []byte, at time.Duration, level uint8) {
	var options *lksdk.SampleWriteOptions
	if l.material.silence != nil {
		options = &lksdk.SampleWriteOptions{AudioLevel: &level}
	}
	timestamp := rtpTime(uint32(l.local.SSRC()), l.material.rtpClock, at)
	payloads := l.payloader.Payload(payloadBytes, data)
	for n, payload := range payloads {
		packet := &rtp.Packet{
			Header: rtp.Header{
				Version:        2,
				Marker:         l.material.silence == nil && n == len(payloads)-1,
				SequenceNumber: l.sequence,
				Timestamp:      timestamp,
			},
			Payload: payload,
		}
		l.sequence++
		_ = l.local.WriteRTP(packet, options)
	}
}

// setMuted returns the last unit that was sent; when it returns, no more follow, or they do again.
func (t *track) setMuted(muted, silent bool) int64 {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.muted, t.silent = muted, muted && silent && t.layers[0].material.silence != nil
	t.sending = t.sending && !muted
	return t.lastUnit
}

func (t *track) isMuted() bool {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.muted
}

// stall stops sending for some time, and returns the last unit before.
func (t *track) stall(duration time.Duration) int64 {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.stalledTill = t.clock.now() + duration
	return t.lastUnit
}

// switchOn turns simulcast layers on and off.
func (t *track) switchOn(rids []string) error {
	t.lock.Lock()
	defer t.lock.Unlock()
	wanted := map[string]bool{}
	for _, rid := range rids {
		wanted[rid] = true
	}
	for _, l := range t.layers {
		l.off = !wanted[l.rid]
		delete(wanted, l.rid)
	}
	for rid := range wanted {
		return fmt.Errorf("there is no layer %q", rid)
	}
	return nil
}

// resize changes the size of the picture at the next key frame.
func (t *track) resize(m *material) error {
	t.lock.Lock()
	defer t.lock.Unlock()
	if len(t.layers) > 1 || m.rate != t.rate() {
		return fmt.Errorf("only a track without simulcast can be resized, and not its frame rate")
	}
	t.layers[0].next = m
	return nil
}

func (t *track) with(more fields) fields {
	all := fields{"sid": t.sid.Load()}
	for key, value := range t.fields {
		all[key] = value
	}
	for key, value := range more {
		all[key] = value
	}
	return all
}
