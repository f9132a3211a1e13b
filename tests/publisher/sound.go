package main

import "math"

// The test sound: a quiet tone that tells who it is, and a loud beep that starts exactly at each
// full second, whose frequency tells which second of the loop it is. All frequencies are whole
// numbers of Hz, so that the sound repeats without a seam, and beeps are whole numbers of waves.
const (
	firstBeepHz   = 2000
	beepStepHz    = 40
	beepSeconds   = 0.05
	toneAmplitude = 0.05
	beepAmplitude = 0.3
	highestTone   = 1500
	// What packets say of how loud they are, in dB below the loudest (RFC 6464): the tone, and silence.
	toneLevel = 29
	quiet     = 127
	// The right channel of stereo has a tone of its own, this much higher.
	stereoStepHz = 25
)

// soundAt returns the sample at an instant counted in samples since the epoch.
func soundAt(sample int64, sampleRate, toneHz int) float64 {
	loop := int64(loopSeconds * sampleRate)
	sample = (sample%loop + loop) % loop
	second, rest := sample/int64(sampleRate), sample%int64(sampleRate)
	inSecond := float64(rest) / float64(sampleRate)
	value := toneAmplitude * math.Sin(2*math.Pi*float64(toneHz)*inSecond)
	if inSecond < beepSeconds {
		hz := float64(firstBeepHz + beepStepHz*second)
		value += beepAmplitude * math.Sin(2*math.Pi*hz*inSecond)
	}
	return value
}

func pcm16(value float64) int16 { return int16(math.Round(value * 32767)) }

// muLaw and aLaw encode a sample by ITU-T G.711.
func muLaw(sample int16) byte {
	const bias, clip = 0x84, 32635
	sign, magnitude := byte(0), int(sample)
	if magnitude < 0 {
		sign, magnitude = 0x80, -magnitude
	}
	magnitude = min(magnitude, clip) + bias
	exponent := 7
	for mask := 0x4000; exponent > 0 && magnitude&mask == 0; mask >>= 1 {
		exponent--
	}
	return ^(sign | byte(exponent<<4) | byte(magnitude>>(exponent+3)&0x0f))
}

func aLaw(sample int16) byte {
	sign, magnitude := byte(0x80), int(sample)
	if magnitude < 0 {
		sign, magnitude = 0, -magnitude-1
	}
	exponent := 7
	for mask := 0x4000; exponent > 0 && magnitude&mask == 0; mask >>= 1 {
		exponent--
	}
	mantissa := magnitude >> (exponent + 3)
	if exponent == 0 {
		mantissa = magnitude >> 4
	}
	return (sign | byte(exponent<<4) | byte(mantissa&0x0f)) ^ 0x55
}
