package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
)

type videoCodec struct {
	extension string
	encoder   func(s videoSpec) []string // arguments of ffmpeg
	isKey     func(frame []byte) bool
	read      func(data []byte) ([][]byte, error)
}

var videoCodecs = map[string]videoCodec{
	"h264": {
		extension: "h264",
		encoder: func(s videoSpec) []string {
			arguments := []string{"-c:v", "libx264", "-profile:v", "baseline", "-preset", "veryfast",
				"-tune", "zerolatency", "-threads", "1", "-x264-params",
				"scenecut=0:aud=1:repeat-headers=1:slices=1:sliced-threads=0", "-f", "h264"}
			if s.busy {
				return append(arguments, "-b:v", s.busyRate(), "-maxrate", s.busyRate(), "-bufsize", s.busyRate())
			}
			return append(arguments, "-crf", "23")
		},
		isKey: isH264Key,
		read: func(data []byte) ([][]byte, error) {
			return readAnnexB(data, func(unit []byte) bool { return unit[0]&0x1f == 9 }), nil
		},
	},
	"h265": {
		extension: "h265",
		encoder: func(s videoSpec) []string {
			arguments := []string{"-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-x265-params",
				fmt.Sprintf("log-level=error:keyint=%d:min-keyint=%[1]d:open-gop=0:scenecut=0:aud=1:repeat-headers=1:"+
					"frame-threads=1:pools=1", s.gop()),
				"-f", "hevc"}
			if s.busy {
				return append(arguments, "-b:v", s.busyRate())
			}
			return append(arguments, "-crf", "26")
		},
		isKey: isH265Key,
		read: func(data []byte) ([][]byte, error) {
			return readAnnexB(data, func(unit []byte) bool { return unit[0]>>1&0x3f == 35 }), nil
		},
	},
	"vp8": {
		extension: "ivf",
		encoder: func(s videoSpec) []string {
			return append([]string{"-c:v", "libvpx", "-cpu-used", "8"}, libvpxArguments(s)...)
		},
		isKey: func(frame []byte) bool { return len(frame) > 0 && frame[0]&1 == 0 },
		read:  readIVF,
	},
	"vp9": {
		extension: "ivf",
		encoder: func(s videoSpec) []string {
			return append([]string{"-c:v", "libvpx-vp9", "-cpu-used", "8", "-row-mt", "1"},
				libvpxArguments(s)...)
		},
		// Frame marker 2, profile 0, a frame of its own, and not an inter frame.
		isKey: func(frame []byte) bool { return len(frame) > 0 && frame[0]&0xfc == 0x80 },
		read:  readIVF,
	},
}

func libvpxArguments(s videoSpec) []string {
	// Enough for the cells to be sharp; the quantizer's upper bound holds where it is not.
	bits := strconv.Itoa(150_000 + s.width*s.height)
	if s.busy {
		bits = s.busyRate()
	}
	return []string{"-deadline", "realtime", "-lag-in-frames", "0", "-auto-alt-ref", "0",
		"-qmin", "4", "-qmax", "44", "-b:v", bits, "-minrate", bits, "-maxrate", bits, "-threads", "2", "-f", "ivf"}
}

func isH264Key(picture []byte) bool {
	const idr = 5
	return hasUnit(picture, func(header byte) bool { return header&0x1f == idr })
}

func isH265Key(picture []byte) bool {
	const firstIDR, lastIDR = 19, 20
	return hasUnit(picture, func(header byte) bool {
		kind := header >> 1 & 0x3f
		return kind >= firstIDR && kind <= lastIDR
	})
}

// hasUnit tells whether one of the picture's units has such a first byte.
func hasUnit(picture []byte, wanted func(header byte) bool) bool {
	for _, unit := range bytes.Split(picture, []byte{0, 0, 0, 1}) {
		if len(unit) > 0 && wanted(unit[0]) {
			return true
		}
	}
	return false
}

// busyRate returns the bitrate of a busy picture: 1.7 Mbit/s at 1280x720 and 30 frames per second.
func (s videoSpec) busyRate() string {
	return strconv.Itoa(1_700_000 * s.width * s.height / (1280 * 720) * s.fps / 30)
}

func (s videoSpec) encode(path string) error {
	gop := strconv.Itoa(s.gop())
	arguments := []string{"-f", "rawvideo", "-pix_fmt", "yuv420p",
		"-s", fmt.Sprintf("%dx%d", s.width, s.height), "-r", strconv.Itoa(s.fps), "-i", "-",
		"-g", gop, "-keyint_min", gop}
	arguments = append(arguments, videoCodecs[s.codec].encoder(s)...)
	err := ffmpeg(append(arguments, path), func(to io.Writer) error {
		picture := newCanvas(s.width, s.height)
		picture.drawStill()
		for n := range s.fps * loopSeconds {
			if s.still {
				n = stillFrame
			}
			picture.drawFrame(n, s.tag, s.fps, s.busy)
			if _, err := to.Write(picture.pixels); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return verify(path, func(data []byte) error { _, err := s.parse(data); return err })
}

// encode makes the loop so that the sound which a decoder puts out for packet n is that of the 20 ms
// from n: the encoder is fed with what comes later by its own delay.
func (s audioSpec) encode(path string) error {
	const guess = 120 // samples of delay of the mode that is asked for here
	channels := []int{s.toneHz}
	if s.stereo {
		channels = append(channels, s.rightHz)
	}
	arguments := []string{"-f", "s16le", "-ar", strconv.Itoa(opusRate), "-ac", strconv.Itoa(len(channels)),
		"-i", "-", "-c:a", "libopus", "-application", "lowdelay", "-b:a", strconv.Itoa(64*len(channels)) + "k",
		"-compression_level", "5", "-frame_duration", "20", "-f", "ogg", path}
	err := ffmpeg(arguments, func(to io.Writer) error {
		const packet = opusRate / packetsPerSecond
		first := int64(guess - opusPrerollPackets*packet)
		// One more packet, so that the last one that is used ends in sound.
		count := int64((opusPrerollPackets + loopSeconds*packetsPerSecond + 1) * packet)
		var samples bytes.Buffer
		for n := range count {
			for _, hz := range channels {
				_ = binary.Write(&samples, binary.LittleEndian, pcm16(soundAt(first+n, opusRate, hz)))
			}
		}
		_, err := to.Write(samples.Bytes())
		return err
	})
	if err != nil {
		return err
	}
	return verify(path, func(data []byte) error {
		if _, err := s.parse(data); err != nil {
			return err
		}
		_, preSkip, err := readOggOpus(data)
		if err == nil && preSkip != guess {
			err = fmt.Errorf("the Opus encoder's delay is %d samples, not %d", preSkip, guess)
		}
		return err
	})
}

func verify(path string, check func(data []byte) error) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return check(data)
}

// ffmpeg runs the encoder on what feed writes.
func ffmpeg(arguments []string, feed func(to io.Writer) error) error {
	arguments = append([]string{"-nostdin", "-hide_banner", "-loglevel", "error", "-y"}, arguments...)
	encoder := exec.Command("ffmpeg", arguments...)
	var complaints bytes.Buffer
	encoder.Stderr = &complaints
	to, err := encoder.StdinPipe()
	if err != nil {
		return err
	}
	if err := encoder.Start(); err != nil {
		return fmt.Errorf("making test media: %w", err)
	}
	fed := feed(to)
	_ = to.Close()
	if err := encoder.Wait(); err != nil {
		return fmt.Errorf("making test media: ffmpeg: %w: %s", err, bytes.TrimSpace(complaints.Bytes()))
	}
	return fed
}
