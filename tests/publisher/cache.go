package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// file returns the path of the encoded loop in the cache.
func (s videoSpec) file() (string, error) {
	if err := s.check(); err != nil {
		return "", err
	}
	look := ""
	if s.busy {
		look = "-busy"
	}
	if s.still {
		look += "-still"
	}
	name := fmt.Sprintf("%s-%dx%d-%d-tag%d%s.%s", s.codec, s.width, s.height, s.fps, s.tag, look,
		videoCodecs[s.codec].extension)
	return inCache(name, s.encode)
}

func (s audioSpec) file() (string, error) {
	if err := s.check(); err != nil {
		return "", err
	}
	if s.codec != "opus" {
		return "", errors.New("G.711 needs no file")
	}
	name := fmt.Sprintf("opus-%d.ogg", s.toneHz)
	if s.stereo {
		name = fmt.Sprintf("opus-%d-%d.ogg", s.toneHz, s.rightHz)
	}
	return inCache(name, s.encode)
}

// inCache returns the path of a file in the cache, made by the function if it is not there. Several
// processes may ask for the same file at once; one makes it, and it appears when it is whole.
func inCache(name string, create func(path string) error) (string, error) {
	folder, err := cacheFolder()
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := create(path + ".new"); err != nil {
		return "", err
	}
	return path, os.Rename(path+".new", path)
}

func cacheFolder() (string, error) {
	base := os.Getenv("EGRESS_CACHE")
	if base == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		base = filepath.Join(user, "egress")
	}
	folder := filepath.Join(base, fmt.Sprintf("media-%d", materialVersion))
	return folder, os.MkdirAll(folder, 0o755)
}

// makeMedia makes one loop from the command line, and prints where it is.
func makeMedia(arguments []string) error {
	flags := flag.NewFlagSet("make-media", flag.ContinueOnError)
	codec := flags.String("codec", "h264", "h264, h265, vp8, vp9 or opus")
	width := flags.Int("width", 640, "pixels")
	height := flags.Int("height", 360, "pixels")
	fps := flags.Int("fps", 30, "frames per second")
	tag := flags.Int("tag", 0, "whose picture it is, 0 to 15")
	busy := flags.Bool("busy", false, "with texture, at the bitrate of a camera")
	still := flags.Bool("still", false, "always the same frame")
	toneHz := flags.Int("tone", 0, "Hz; by default the tag's")
	stereo := flags.Bool("stereo", false, "a tone of its own on the right")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	var path string
	var err error
	if *codec == "opus" {
		path, err = newAudioSpec(*codec, *toneHz, *tag, *stereo).file()
	} else {
		path, err = videoSpec{*codec, *width, *height, *fps, *tag, *busy, *still}.file()
	}
	if err == nil {
		fmt.Println(path)
	}
	return err
}
