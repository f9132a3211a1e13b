package main

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
)

func TestCadence(t *testing.T) {
	for _, perSecond := range []int64{15, 25, 30, 50, 60} {
		c := cadence{perSecond}
		for n := int64(0); n < 10*perSecond; n++ {
			if c.next(c.due(n)) != n+1 || c.next(c.due(n)-1) != n {
				t.Fatalf("unit %d of %d per second: next is %d", n, perSecond, c.next(c.due(n)))
			}
		}
		if c.due(3600*perSecond) != time.Hour {
			t.Errorf("%d per second: drift", perSecond)
		}
	}
}

func TestEpochsAgree(t *testing.T) {
	one, other := newClock(0), newClock(0)
	if (one.epochNs-other.epochNs)%int64(loopLength) != 0 || one.now() > loopLength {
		t.Error("epochs are not multiples of the loop")
	}
}

func TestReportsAreExact(t *testing.T) {
	clock := newClock(0)
	reporter, _ := exactReports{clock}.NewInterceptor("")
	const ssrc = 0xfedcba98
	reporter.BindLocalStream(&interceptor.StreamInfo{SSRC: ssrc, ClockRate: 90000}, nil)
	var sent *rtcp.SenderReport
	writer := reporter.BindRTCPWriter(interceptor.RTCPWriterFunc(
		func(packets []rtcp.Packet, _ interceptor.Attributes) (int, error) {
			sent = packets[0].(*rtcp.SenderReport)
			return 0, nil
		}))

	// Half a second after the epoch, as NTP: seconds since 1900 and a fraction of 2^32.
	at := clock.epochNs + int64(time.Second)/2
	ntp := uint64(at/int64(time.Second)+ntpEpochSeconds)<<32 | 1<<31
	_, _ = writer.Write([]rtcp.Packet{&rtcp.SenderReport{SSRC: ssrc, NTPTime: ntp, RTPTime: 1}}, nil)
	if sent.RTPTime-rtpBase(ssrc) != 45000 {
		t.Errorf("half a second is %d ticks", sent.RTPTime-rtpBase(ssrc))
	}
	if got := rtpTime(ssrc, 90000, time.Second/2); got != sent.RTPTime {
		t.Errorf("a picture of that instant has %d, the report %d", got, sent.RTPTime)
	}
	_, _ = writer.Write([]rtcp.Packet{&rtcp.SenderReport{SSRC: 1, NTPTime: ntp, RTPTime: 1}}, nil)
	if sent.RTPTime != 1 {
		t.Error("a stream that is not ours was changed")
	}
}

func TestRTPTimeDoesNotDrift(t *testing.T) {
	day := 24 * time.Hour
	wanted := uint32(int64(day/time.Second) * 90000 & 0xffffffff)
	if got := rtpTime(7, 90000, day) - rtpBase(7); got != wanted {
		t.Errorf("%d instead of %d ticks", got, wanted)
	}
}

func TestChecksumFindsErrors(t *testing.T) {
	const all = 1<<cellCount - 1
	valid := func(cells uint32) bool {
		return checksum(uint16(cells>>checksumBits)) == uint16(cells&(1<<checksumBits-1))
	}
	if valid(0) || valid(all) {
		t.Error("all black or all white is valid")
	}
	for counter := range 600 {
		cells := cellBits(counter, counter%16)
		if !valid(cells) || cells>>checksumBits != uint32(counter<<tagBits|counter%16) {
			t.Fatalf("frame %d: %020b", counter, cells)
		}
		for n := range cellCount {
			if valid(cells ^ 1<<n) {
				t.Fatalf("frame %d: cell %d may be wrong", counter, n)
			}
		}
	}
}

func TestPictureHasItsCells(t *testing.T) {
	for _, size := range [][2]int{{160, 90}, {320, 180}, {853, 479}, {1280, 720}} {
		for _, busy := range []bool{false, true} {
			c := newCanvas(size[0], size[1])
			c.drawStill()
			c.drawFrame(30, 5, 30, busy)
			at := func(a area) byte {
				x, y := (a.left+a.right)/2*float64(c.width), (a.top+a.bottom)/2*float64(c.height)
				return c.pixels[int(y)*c.width+int(x)]
			}
			for n := range cellCount {
				white := cellBits(30, 5)>>(cellCount-1-n)&1 != 0
				if (at(cellArea.part(n, cellCount)) == 235) != white {
					t.Errorf("%v: cell %d is wrong", size, n)
				}
			}
			if at(flashArea) != 235 {
				t.Errorf("%v: no flash at a full second", size)
			}
			c.drawFrame(31, 5, 30, busy)
			if at(flashArea) != dark.y {
				t.Errorf("%v: a flash between seconds", size)
			}
		}
	}
}

func TestSoundRepeatsWithoutSeam(t *testing.T) {
	const loop = loopSeconds * opusRate
	for _, n := range []int64{0, 1, 479, 2400, 48000, loop - 1} {
		if soundAt(n, opusRate, 440) != soundAt(n+loop, opusRate, 440) ||
			soundAt(n, opusRate, 440) != soundAt(n-loop, opusRate, 440) {
			t.Errorf("sample %d", n)
		}
	}
	for n := int64(0); n < loop; n++ {
		step := math.Abs(soundAt(n+1, opusRate, 440) - soundAt(n, opusRate, 440))
		if step > 0.13 { // the steepest that the beep is
			t.Fatalf("a step of %f at sample %d", step, n)
		}
	}
}

// Values of ITU-T G.711, tables 1a and 2a.
func TestG711(t *testing.T) {
	for sample, code := range map[int16]byte{0: 0xff, -1: 0x7f, 32767: 0x80, -32768: 0x00, 1000: 0xce} {
		if got := muLaw(sample); got != code {
			t.Errorf("µ-law of %d: %#x instead of %#x", sample, got, code)
		}
	}
	for sample, code := range map[int16]byte{0: 0xd5, -1: 0x55, 32767: 0xaa, -32768: 0x2a, 1000: 0xfa} {
		if got := aLaw(sample); got != code {
			t.Errorf("A-law of %d: %#x instead of %#x", sample, got, code)
		}
	}
}

func TestAnnexB(t *testing.T) {
	stream := []byte{0, 0, 0, 1, 9, 0x10, 0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x65, 3, 4,
		0, 0, 0, 1, 9, 0x30, 0, 0, 1, 0x41, 5}
	pictures := readAnnexB(stream, func(unit []byte) bool { return unit[0] == 9 })
	if len(pictures) != 2 || !isH264Key(pictures[0]) || isH264Key(pictures[1]) {
		t.Fatalf("%x", pictures)
	}
	if !bytes.Equal(pictures[1], []byte{0, 0, 0, 1, 0x41, 5}) {
		t.Errorf("%x", pictures[1])
	}
}

func TestOggPackets(t *testing.T) {
	page := func(lacing []byte, body []byte) []byte {
		header := append([]byte("OggS"), make([]byte, 22)...)
		return append(append(append(header, byte(len(lacing))), lacing...), body...)
	}
	// A packet of 256 bytes that goes on in the next page, and two short ones.
	data := append(page([]byte{255}, make([]byte, 255)), page([]byte{1, 2, 0}, []byte{7, 8, 9})...)
	packets, err := readOgg(data)
	if err != nil || len(packets) != 3 || len(packets[0]) != 256 || packets[0][255] != 7 ||
		!bytes.Equal(packets[1], []byte{8, 9}) || len(packets[2]) != 0 {
		t.Errorf("%v %v", packets, err)
	}
	for n := 1; n < len(data); n++ {
		if _, err := readOgg(data[:n]); err == nil && n != 255+28 {
			t.Errorf("cut off at %d, and no error", n)
		}
	}
}

func TestMaterialIsChecked(t *testing.T) {
	for _, s := range []videoSpec{
		{codec: "av1", width: 640, height: 360, fps: 30}, {codec: "vp8", width: 10, height: 10, fps: 30},
		{codec: "h264", width: 641, height: 360, fps: 30}, {codec: "vp8", width: 640, height: 360, fps: 300},
		{codec: "vp8", width: 640, height: 360, fps: 30, tag: 16},
	} {
		if s.check() == nil {
			t.Errorf("%+v is taken", s)
		}
	}
	for _, s := range []audioSpec{{codec: "aac", toneHz: 440}, {codec: "opus"}, {codec: "pcmu", toneHz: 440, stereo: true}} {
		if s.check() == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}

func TestG711Material(t *testing.T) {
	m, err := newAudioSpec("pcmu", 0, 3, false).load()
	if err != nil || len(m.units) != loopSeconds*packetsPerSecond || len(m.units[0]) != 160 {
		t.Fatalf("%v", err)
	}
	exponent := func(packet []byte) (highest byte) {
		for _, code := range packet {
			highest = max(highest, ^code>>4&7)
		}
		return highest
	}
	if beep, tone := exponent(m.units[50]), exponent(m.units[60]); beep != 6 || tone != 3 {
		t.Errorf("the beep's loudest step is %d, the tone's %d", beep, tone)
	}
}

// Every line is answered, and none of these can be done.
func TestCommandsThatFail(t *testing.T) {
	for line, complaint := range map[string]string{
		`nonsense`: "not a command",
		`{"id":1,"cmd":"join","participant":"a","romm":"b"}`: "unknown field",
		`{"id":1,"cmd":"mute"}`:                              "needs a participant",
		`{"id":1,"cmd":"mute","participant":"a"}`:            "a has not joined",
		`{"id":1,"cmd":"join","participant":"a","url":"ws://127.0.0.1:1","room":"r","api_key":"k","api_secret":"s"}`: "join:",
	} {
		var out bytes.Buffer
		s := newStage(newClock(0), &out)
		if !s.accept([]byte(line)) {
			t.Errorf("%s ends everything", line)
		}
		s.close()
		var reply struct {
			Reply json.RawMessage
			OK    bool
			Error string
		}
		if err := json.Unmarshal(out.Bytes(), &reply); err != nil || reply.OK || !strings.Contains(reply.Error, complaint) {
			t.Errorf("%s: %s", line, out.Bytes())
		}
		if strings.Contains(line, `"id":1`) && string(reply.Reply) != "1" {
			t.Errorf("%s: the reply has no id: %s", line, out.Bytes())
		}
	}
}
