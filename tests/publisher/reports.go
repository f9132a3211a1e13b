package main

import (
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
)

// Seconds from 1900, where NTP counts from, to 1970.
const ntpEpochSeconds = 2208988800

// exactReports makes sender reports say what the media clock says. The stock ones relate the RTP
// timestamp of the last packet to the time at which it was really sent, so that they carry the
// jitter of this program's scheduling; a receiver would rightly take that for the truth.
type exactReports struct {
	clock *clock
}

func (f exactReports) NewInterceptor(string) (interceptor.Interceptor, error) {
	return &exactReporter{clock: f.clock}, nil
}

type exactReporter struct {
	interceptor.NoOp
	clock *clock
	rates sync.Map // clock rate (int64) by SSRC (uint32)
}

func (r *exactReporter) BindLocalStream(
	info *interceptor.StreamInfo, writer interceptor.RTPWriter,
) interceptor.RTPWriter {
	r.rates.Store(info.SSRC, int64(info.ClockRate))
	return writer
}

func (r *exactReporter) UnbindLocalStream(info *interceptor.StreamInfo) {
	r.rates.Delete(info.SSRC)
}

func (r *exactReporter) BindRTCPWriter(writer interceptor.RTCPWriter) interceptor.RTCPWriter {
	return interceptor.RTCPWriterFunc(
		func(packets []rtcp.Packet, attributes interceptor.Attributes) (int, error) {
			for _, packet := range packets {
				if report, ok := packet.(*rtcp.SenderReport); ok {
					r.correct(report)
				}
			}
			return writer.Write(packets, attributes)
		})
}

func (r *exactReporter) correct(report *rtcp.SenderReport) {
	if rate, ok := r.rates.Load(report.SSRC); ok {
		at := r.clock.at(timeOfNTP(report.NTPTime))
		report.RTPTime = rtpTime(report.SSRC, rate.(int64), at)
	}
}

// timeOfNTP converts a 64 bit NTP timestamp, RFC 5905 section 6.
func timeOfNTP(ntp uint64) time.Time {
	ns := (ntp & 0xffffffff) * uint64(time.Second) >> 32
	return time.Unix(int64(ntp>>32)-ntpEpochSeconds, int64(ns))
}
