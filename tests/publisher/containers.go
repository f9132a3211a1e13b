package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Readers of the few containers in which the encoded loops are kept.

// readAnnexB splits a byte stream with access unit delimiters (annex B of ITU-T H.264 and H.265) into
// its pictures. The delimiters themselves are left out.
func readAnnexB(data []byte, isDelimiter func(unit []byte) bool) [][]byte {
	startCode := []byte{0, 0, 1}
	var pictures [][]byte
	var picture []byte
	for {
		start := bytes.Index(data, startCode)
		if start < 0 {
			break
		}
		data = data[start+3:]
		unit := data
		if end := bytes.Index(data, startCode); end >= 0 {
			unit = data[:end]
		}
		unit = bytes.TrimRight(unit, "\x00") // the first byte of a 4 byte start code, or padding
		if len(unit) == 0 {
			continue
		}
		if isDelimiter(unit) {
			if picture != nil {
				pictures = append(pictures, picture)
			}
			picture = nil
			continue
		}
		picture = append(append(picture, 0, 0, 0, 1), unit...)
	}
	if picture != nil {
		pictures = append(pictures, picture)
	}
	return pictures
}

// readIVF returns the frames of an IVF file.
func readIVF(data []byte) ([][]byte, error) {
	if len(data) < 32 || string(data[:4]) != "DKIF" {
		return nil, errors.New("not an IVF file")
	}
	data = data[binary.LittleEndian.Uint16(data[6:]):]
	var frames [][]byte
	for len(data) >= 12 {
		size := int(binary.LittleEndian.Uint32(data))
		if size > len(data)-12 {
			return nil, errors.New("an IVF frame is cut off")
		}
		frames = append(frames, data[12:12+size])
		data = data[12+size:]
	}
	return frames, nil
}

// readOgg returns the packets of an Ogg file with one stream, RFC 3533.
func readOgg(data []byte) ([][]byte, error) {
	const header = 27
	var packets [][]byte
	var packet []byte
	for len(data) > 0 {
		if len(data) < header || string(data[:4]) != "OggS" {
			return nil, errors.New("not an Ogg page")
		}
		segments := int(data[26])
		if len(data) < header+segments {
			return nil, errors.New("an Ogg page is cut off")
		}
		lacing, body := data[header:header+segments], data[header+segments:]
		for _, size := range lacing {
			if int(size) > len(body) {
				return nil, errors.New("an Ogg page is cut off")
			}
			packet = append(packet, body[:size]...)
			body = body[size:]
			if size < 255 {
				packets = append(packets, packet)
				packet = nil
			}
		}
		data = body
	}
	return packets, nil
}

// readOggOpus returns the Opus packets of an Ogg file and the number of samples at 48 kHz that the
// encoder is late, RFC 7845.
func readOggOpus(data []byte) (packets [][]byte, preSkip int, err error) {
	packets, err = readOgg(data)
	if err != nil {
		return nil, 0, err
	}
	if len(packets) < 2 || len(packets[0]) < 19 || string(packets[0][:8]) != "OpusHead" {
		return nil, 0, fmt.Errorf("not Opus in Ogg")
	}
	return packets[2:], int(binary.LittleEndian.Uint16(packets[0][10:])), nil
}
