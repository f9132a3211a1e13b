package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/interceptor"
)

// participant is one who has joined a room. Its commands come one after the other.
type participant struct {
	name  string
	tag   int
	clock *clock
	out   *output
	room  *lksdk.Room

	lock   sync.Mutex
	tracks map[string]*track
}

const joinTimeout = 10 * time.Second

func join(c *command, clock *clock, out *output) (*participant, error) {
	p := &participant{name: c.Participant, tag: c.Tag, clock: clock, out: out,
		tracks: map[string]*track{}}
	p.room = lksdk.NewRoom(p.callback())
	options := []lksdk.ConnectOption{
		lksdk.WithAutoSubscribe(false),
		lksdk.WithConnectTimeout(joinTimeout),
		lksdk.WithDisableRegionDiscovery(),
		lksdk.WithInterceptors([]interceptor.Factory{exactReports{clock}}),
		lksdk.WithIncludeDefaultInterceptors(true),
	}
	var err error
	if c.Token != "" {
		err = p.room.JoinWithToken(c.URL, c.Token, options...)
	} else {
		err = p.room.Join(c.URL, lksdk.ConnectInfo{
			APIKey: c.APIKey, APISecret: c.APISecret, RoomName: c.Room,
			ParticipantIdentity: c.identity(), ParticipantName: c.Name,
			ParticipantMetadata: c.Metadata,
		}, options...)
	}
	if err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	return p, nil
}

func (p *participant) callback() *lksdk.RoomCallback {
	return &lksdk.RoomCallback{
		OnDisconnected: func() {
			p.event("disconnected", fields{"reason": p.room.DisconnectReason().String()})
		},
		OnReconnecting: func() { p.event("reconnecting", nil) },
		OnReconnected:  func() { p.event("reconnected", nil) },
		OnRecordingStatusChanged: func(recording bool) {
			p.event("recording", fields{"active": recording})
		},
		OnLocalTrackSubscribed: func(publication *lksdk.LocalTrackPublication, _ *lksdk.LocalParticipant) {
			p.event("subscribed", fields{"track": publication.Name(), "sid": publication.SID()})
		},
		ParticipantCallback: lksdk.ParticipantCallback{
			OnLocalTrackPublished:   p.onPublished,
			OnLocalTrackUnpublished: p.onUnpublished,
			OnTrackMuted: func(publication lksdk.TrackPublication, _ lksdk.Participant) {
				p.onMuted(publication, true)
			},
			OnTrackUnmuted: func(publication lksdk.TrackPublication, _ lksdk.Participant) {
				p.onMuted(publication, false)
			},
		},
	}
}

func (p *participant) event(name string, with fields) {
	all := fields{"participant": p.name}
	for key, value := range with {
		all[key] = value
	}
	p.out.event(name, all)
}

// onPublished comes after our publishing, and again, with another sid, when the library has had to
// join anew; the server then does not know yet that the track is muted.
func (p *participant) onPublished(publication *lksdk.LocalTrackPublication, _ *lksdk.LocalParticipant) {
	if t := p.find(publication.Name()); t != nil {
		t.sid.Store(publication.SID())
		p.event("published", fields{"track": t.name, "sid": publication.SID()})
		if t.isMuted() {
			publication.SetMuted(true)
		}
	}
}

func (p *participant) onUnpublished(publication *lksdk.LocalTrackPublication, _ *lksdk.LocalParticipant) {
	p.event("unpublished", fields{"track": publication.Name(), "sid": publication.SID()})
}

// onMuted comes for ourselves and for everybody else in the room, and when the server mutes us too.
func (p *participant) onMuted(publication lksdk.TrackPublication, muted bool) {
	local, own := publication.(*lksdk.LocalTrackPublication)
	if !own {
		return
	}
	t := p.find(local.Name())
	if t == nil {
		return
	}
	if t.isMuted() != muted {
		t.setMuted(muted, false)
	}
	name := "unmuted"
	if muted {
		name = "muted"
	}
	p.event(name, fields{"track": t.name, "sid": local.SID()})
}

func (p *participant) find(name string) *track {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.tracks[name]
}

func (p *participant) need(name string) (*track, error) {
	if t := p.find(name); t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("%s has no track %q", p.name, name)
}

func (p *participant) remove(name string) {
	p.lock.Lock()
	defer p.lock.Unlock()
	delete(p.tracks, name)
}

// handle does one command that concerns somebody who has joined.
func (p *participant) handle(c *command) (fields, error) {
	if c.Cmd == "publish" {
		return p.publish(c)
	}
	t, err := p.need(c.Track)
	if err != nil {
		return nil, err
	}
	switch c.Cmd {
	case "mute":
		return p.mute(t, true, c.Silence)
	case "unmute":
		return p.mute(t, false, false)
	case "unpublish":
		return p.unpublish(t)
	case "stall":
		return fields{"last_unit": t.stall(time.Duration(c.Ms) * time.Millisecond)}, nil
	case "layers":
		return nil, t.switchOn(c.Send)
	case "resize":
		return nil, p.resize(t, c)
	}
	return nil, fmt.Errorf("unknown command %q", c.Cmd)
}

var sources = map[string]livekit.TrackSource{
	"":                   livekit.TrackSource_UNKNOWN, // the library takes camera or microphone
	"camera":             livekit.TrackSource_CAMERA,
	"microphone":         livekit.TrackSource_MICROPHONE,
	"screen_share":       livekit.TrackSource_SCREEN_SHARE,
	"screen_share_audio": livekit.TrackSource_SCREEN_SHARE_AUDIO,
}

func (p *participant) publish(c *command) (fields, error) {
	if c.Track == "" {
		return nil, errors.New("publish: the track needs a name")
	}
	if p.find(c.Track) != nil {
		return nil, fmt.Errorf("%s has a track %q already", p.name, c.Track)
	}
	source, known := sources[c.Source]
	if !known {
		return nil, fmt.Errorf("unknown source %q", c.Source)
	}
	layers, err := p.layersFor(c)
	if err != nil {
		return nil, err
	}
	options := &lksdk.TrackPublicationOptions{
		Name: c.Track, Source: source, Stereo: c.Stereo,
		VideoWidth: layers[len(layers)-1].material.width, VideoHeight: layers[len(layers)-1].material.height,
	}
	if c.Encrypted {
		options.Encryption = livekit.Encryption_GCM
	}
	t := &track{name: c.Track, clock: p.clock, out: p.out, layers: layers,
		fields: fields{"participant": p.name, "track": c.Track},
		pc:     p.room.LocalParticipant.GetPublisherPeerConnection}
	t.sid.Store("")
	p.lock.Lock()
	p.tracks[t.name] = t
	p.lock.Unlock()

	var publication *lksdk.LocalTrackPublication
	if len(layers) == 1 {
		publication, err = p.room.LocalParticipant.PublishTrack(layers[0].local, options)
	} else {
		var locals []*lksdk.LocalTrack
		for _, l := range layers {
			locals = append(locals, l.local)
		}
		publication, err = p.room.LocalParticipant.PublishSimulcastTrack(locals, options)
	}
	if err != nil {
		p.remove(t.name)
		return nil, fmt.Errorf("publish: %w", err)
	}
	t.start()
	return fields{"sid": publication.SID()}, nil
}

// layersFor loads the media of a track to be published.
func (p *participant) layersFor(c *command) ([]*layer, error) {
	kind := c.kind()
	switch {
	case kind == "video" && c.Simulcast > 0:
		return newSimulcastLayers(c.videoSpec(p.tag), c.Simulcast)
	case kind == "video":
		m, err := c.videoSpec(p.tag).load()
		if err != nil {
			return nil, err
		}
		l, err := newLayer(c.Codec, "", m)
		return []*layer{l}, err
	case kind == "audio":
		spec := c.audioSpec(p.tag)
		if err := spec.check(); err != nil {
			return nil, err
		}
		m, err := spec.load()
		if err != nil {
			return nil, err
		}
		l, err := newLayer(spec.codec, "", m)
		return []*layer{l}, err
	}
	return nil, fmt.Errorf("a track of kind %q; it is video or audio", kind)
}

func (p *participant) publication(t *track) (*lksdk.LocalTrackPublication, error) {
	for _, publication := range p.room.LocalParticipant.TrackPublications() {
		if local, ok := publication.(*lksdk.LocalTrackPublication); ok && local.Name() == t.name {
			return local, nil
		}
	}
	return nil, fmt.Errorf("track %q is not published at the moment", t.name)
}

// mute stops the media, and then tells the server, as clients do.
func (p *participant) mute(t *track, muted, silent bool) (fields, error) {
	publication, err := p.publication(t)
	if err != nil {
		return nil, err
	}
	last := t.setMuted(muted, silent)
	publication.SetMuted(muted)
	return fields{"last_unit": last}, nil
}

func (p *participant) unpublish(t *track) (fields, error) {
	t.stop()
	p.remove(t.name)
	sid, _ := t.sid.Load().(string)
	// The server may have done it already.
	err := p.room.LocalParticipant.UnpublishTrack(sid)
	if err != nil && !errors.Is(err, lksdk.ErrCannotFindTrack) {
		return nil, err
	}
	return fields{"last_unit": t.lastUnit}, nil
}

func (p *participant) resize(t *track, c *command) error {
	spec := c.videoSpec(p.tag)
	mime := t.layers[0].local.Codec().MimeType
	spec.codec = strings.ToLower(mime[strings.IndexByte(mime, '/')+1:])
	if c.FPS == 0 {
		spec.fps = int(t.rate().perSecond)
	}
	m, err := spec.load()
	if err != nil {
		return err
	}
	return t.resize(m)
}

// isDisconnected tells whether the server, or the network for too long, has ended it.
func (p *participant) isDisconnected() bool {
	return p.room.ConnectionState() == lksdk.ConnectionStateDisconnected
}

func (p *participant) leave() {
	p.lock.Lock()
	tracks := p.tracks
	p.tracks = map[string]*track{}
	p.lock.Unlock()
	for _, t := range tracks {
		t.stop()
	}
	p.room.Disconnect()
}

func (p *participant) describe() fields {
	p.lock.Lock()
	defer p.lock.Unlock()
	tracks := []fields{}
	for _, t := range p.tracks {
		tracks = append(tracks, t.describe())
	}
	return fields{"participant": p.name, "identity": p.room.LocalParticipant.Identity(),
		"sid": p.room.LocalParticipant.SID(), "state": p.room.ConnectionState(), "tracks": tracks}
}

func (t *track) describe() fields {
	t.lock.Lock()
	defer t.lock.Unlock()
	m := t.layers[len(t.layers)-1].material
	return fields{"track": t.name, "sid": t.sid.Load(), "codec": t.layers[0].local.Codec().MimeType,
		"width": m.width, "height": m.height, "per_second": m.rate.perSecond, "muted": t.muted,
		"sending": t.sending, "last_unit": t.lastUnit}
}
