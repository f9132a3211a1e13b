package main

import (
	"time"
)

// The length of all loops of media. All of the content repeats with this period, and an epoch is a
// multiple of it on the wall clock, so that any two publishers show the same at the same instant.
const (
	loopSeconds = 20
	loopLength  = loopSeconds * time.Second
)

// clock is the media clock: all content is a function of the time since its epoch.
type clock struct {
	epochNs int64 // on the wall clock
}

// newClock returns a clock with the given epoch, or if that is 0, the last multiple of the loop.
func newClock(epochNs int64) *clock {
	if epochNs == 0 {
		now := time.Now().UnixNano()
		epochNs = now - now%int64(loopLength)
	}
	return &clock{epochNs: epochNs}
}

// now returns the time since the epoch.
func (c *clock) now() time.Duration { return c.at(time.Now()) }

func (c *clock) at(t time.Time) time.Duration { return time.Duration(t.UnixNano() - c.epochNs) }

// cadence counts the units of a stream, pictures or packets of sound: unit n leaves at n / rate.
type cadence struct {
	perSecond int64
}

// due returns when unit n leaves, as time since the epoch.
func (c cadence) due(n int64) time.Duration {
	return time.Duration(n/c.perSecond)*time.Second +
		time.Duration(n%c.perSecond*int64(time.Second)/c.perSecond)
}

// next returns the first unit that leaves after the instant.
func (c cadence) next(at time.Duration) int64 {
	n := int64(at/time.Second)*c.perSecond + int64(at%time.Second)*c.perSecond/int64(time.Second)
	for c.due(n) <= at {
		n++
	}
	return n
}

// rtpBase returns the RTP timestamp of the epoch on a stream. It looks random, and is a function of
// the SSRC alone, so that whoever writes a sender report needs not know the stream.
func rtpBase(ssrc uint32) uint32 { return ssrc*2654435761 + 12345 }

// rtpTime returns the RTP timestamp of an instant on a stream, rounded to the next tick.
func rtpTime(ssrc uint32, clockRate int64, at time.Duration) uint32 {
	ticks := int64(at/time.Second)*clockRate +
		(int64(at%time.Second)*clockRate+int64(time.Second)/2)/int64(time.Second)
	return rtpBase(ssrc) + uint32(ticks)
}
