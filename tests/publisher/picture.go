package main

import "math"

// The test picture: 20 black and white cells that say which frame it is and whose, a big area that
// flashes white for exactly one frame at each full second, colour patches, and a square that moves
// for the eye. All positions are fractions of the picture, so that it stays readable when it is
// scaled; grey all around tells the picture from a black border. tests/analyser/pattern.py reads it.
//
// Bits of the cells, from the left, most significant first: 12 of the frame's number within the
// loop, 4 of the tag, 4 of the checksum over those 16.
const (
	counterBits  = 12
	tagBits      = 4
	checksumBits = 4
	cellCount    = counterBits + tagBits + checksumBits
)

// The frame that still pictures show: one without a flash.
const stillFrame = 7

// The version of everything that is drawn and heard: part of the names of the files in the cache.
const materialVersion = 2

type area struct{ left, top, right, bottom float64 }

var (
	patchArea = area{0.05, 0.06, 0.95, 0.22}
	cellArea  = area{0.05, 0.30, 0.95, 0.54}
	flashArea = area{0.05, 0.62, 0.47, 0.94}
	moverArea = area{0.53, 0.62, 0.95, 0.94}
)

// Colours are Y'CbCr of BT.601 in video range, which is what video in calls is.
type colour struct{ y, u, v byte }

var (
	black  = colour{16, 128, 128}
	white  = colour{235, 128, 128}
	grey   = colour{126, 128, 128}
	dark   = colour{32, 128, 128}
	navy   = colour{41, 160, 118}
	orange = colour{152, 62, 182}
	// Red, green, blue, cyan, magenta and yellow at three quarters of full saturation.
	patches = []colour{
		{65, 100, 212}, {112, 72, 58}, {35, 212, 114}, {131, 156, 44}, {84, 184, 198}, {162, 44, 142},
	}
)

// checksum is the CRC-4 x⁴ + x + 1 over the 16 bits before it. It starts from a value that makes an
// all black and an all white row invalid.
func checksum(data uint16) uint16 {
	crc := uint16(0x9)
	for bit := 15; bit >= 0; bit-- {
		feedback := (crc>>3 ^ data>>bit) & 1
		crc = crc << 1 & 0xf
		if feedback != 0 {
			crc ^= 0x3
		}
	}
	return crc
}

// cellBits returns the 20 bits of a frame; the first cell is the highest of them.
func cellBits(counter, tag int) uint32 {
	data := uint16(counter)<<tagBits | uint16(tag)
	return uint32(data)<<checksumBits | uint32(checksum(data))
}

// canvas is a picture in planar Y'CbCr 4:2:0.
type canvas struct {
	width, height int
	pixels        []byte // the three planes, as encoders read them
}

func newCanvas(width, height int) *canvas {
	chroma := halfOf(width) * halfOf(height)
	return &canvas{width, height, make([]byte, width*height+2*chroma)}
}

// halfOf returns how many chroma samples cover that many pixels.
func halfOf(pixels int) int { return (pixels + 1) / 2 }

// fill paints an area, to the nearest pair of pixels.
func (c *canvas) fill(a area, with colour) {
	left, right := evenly(a.left, c.width), evenly(a.right, c.width)
	top, bottom := evenly(a.top, c.height), evenly(a.bottom, c.height)
	paint(c.pixels, c.width, left, top, right, bottom, with.y)

	stride, size := halfOf(c.width), halfOf(c.width)*halfOf(c.height)
	chroma := c.pixels[c.width*c.height:]
	left, right, top, bottom = left/2, halfOf(right), top/2, halfOf(bottom)
	paint(chroma[:size], stride, left, top, right, bottom, with.u)
	paint(chroma[size:], stride, left, top, right, bottom, with.v)
}

func evenly(fraction float64, of int) int {
	if fraction == 1 {
		return of
	}
	return int(fraction*float64(of)/2+0.5) * 2
}

func paint(plane []byte, stride, left, top, right, bottom int, value byte) {
	for y := top; y < bottom; y++ {
		row := plane[y*stride+left : y*stride+right]
		for x := range row {
			row[x] = value
		}
	}
}

// part returns the area's n-th part of several beside each other.
func (a area) part(n, of int) area {
	width := (a.right - a.left) / float64(of)
	return area{a.left + float64(n)*width, a.top, a.left + float64(n+1)*width, a.bottom}
}

// drawStill paints what is the same in all frames.
func (c *canvas) drawStill() {
	c.fill(area{0, 0, 1, 1}, grey)
	for n, patch := range patches {
		c.fill(patchArea.part(n, len(patches)), patch)
	}
}

// drawFrame paints what is this frame's own, onto a canvas that drawStill has prepared.
func (c *canvas) drawFrame(counter, tag, fps int, busy bool) {
	c.fill(moverArea, navy)
	if busy {
		c.drawTexture(counter)
		for n, patch := range patches {
			c.fill(patchArea.part(n, len(patches)), patch)
		}
	}
	bits := cellBits(counter, tag)
	for n := range cellCount {
		value := black
		if bits>>(cellCount-1-n)&1 != 0 {
			value = white
		}
		c.fill(cellArea.part(n, cellCount), value)
	}
	if counter%fps == 0 {
		c.fill(flashArea, white)
	} else {
		c.fill(flashArea, dark)
	}
	c.fill(moverAt(counter, fps), orange)
}

// drawTexture paints waves and grain that drift over the whole picture, for an encoder to have about
// as much to do as with a camera. Its luma stays far from black.
func (c *canvas) drawTexture(counter int) {
	const steps = 256
	var wave [steps]int
	for n := range wave {
		wave[n] = int(32 * math.Sin(2*math.Pi*float64(n)/steps))
	}
	for y := range c.height {
		row := c.pixels[y*c.width : (y+1)*c.width]
		across := wave[(y*3*steps/c.height+counter*2)%steps]
		for x := range row {
			// A multiplicative hash of the place, which moves along with the frame.
			grain := uint32((x+2*counter)*7919+y*104729) * 2654435761
			row[x] = byte(126 + across + wave[(x*5*steps/c.width+y+counter*3)%steps] + int(grain>>28) - 8)
		}
	}
}

// moverAt returns where the square is: it crosses its area and comes back within two seconds.
func moverAt(counter, fps int) area {
	phase := float64(counter%(2*fps)) / float64(fps)
	if phase > 1 {
		phase = 2 - phase
	}
	width := (moverArea.right - moverArea.left) / 4
	left := moverArea.left + phase*(moverArea.right-moverArea.left-width)
	return area{left, moverArea.top + 0.08, left + width, moverArea.bottom - 0.08}
}
