package main

import (
	"errors"
	"flag"
	"os"
	"strings"

	"postern/crypto"
	"postern/reviewer"
)

var cmdTakeOver = &command{
	name: "takeover", args: "FILE", json: true, clock: true, least: 1, most: 1,
	short: "take in a file that another desk wrote for you",
	long: `Takeover reads what another holder handed over to you, what another body
referred to yours, and the receipt for what you referred. A file that no holder in
the directory signed is refused, and so is a case that its source did not agree to
show you. Every message that was handed over is verified as in an import; what is
here stays as it is; twice changes nothing. What you erased stays erased, unless
--again asks for it back. With --receipt, a receipt is written for the body that
referred a case.`,
	setup: func(d *desk, fs *flag.FlagSet) func([]string) error {
		again := fs.Bool("again", false, "take back what was erased here")
		receipt := fs.String("receipt", "", "the new `FILE` for a receipt of a case that was referred to you")
		return func(args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }()
			v, err := d.open()
			if err != nil {
				return err
			}
			defer v.Close()
			if err := d.checkClock(v.Clock()); err != nil {
				return err
			}
			t, err := v.TakeOver(f, reviewer.TakeoverOptions{Again: *again})
			if err != nil {
				return err
			}
			if *receipt != "" {
				if t.Referred == nil {
					return errors.New("nothing was referred to you in this file, or it was erased here: there is nothing to write a receipt for")
				}
				if err := v.Receipt(t.Referred, *receipt, v.Clock().Today()); err != nil {
					return err
				}
			}
			if d.json {
				return d.writeJSON(newTakeoverJSON(t))
			}
			switch t.Kind {
			case crypto.DeskReferral:
				d.reportReferral(t, *receipt)
			case crypto.DeskReceipt:
				d.printf("From %s: a receipt for what you referred of case %s.\n  %s\n", t.By(), t.Case, v.ReferredLine(*t.Receipt))
			default:
				d.reportTakeover(t)
			}
			return nil
		}
	},
}

func (d *desk) reportTakeover(t *reviewer.Takeover) {
	d.printf("From %s, written on %s: ", t.By(), t.Day)
	if t.New+t.Events+t.Referrals+t.Notes == 0 {
		d.printf("nothing new.\n")
	} else {
		d.printf("%s in %s (%d new): %s\n", some(t.New, "new message", "new messages"), some(len(t.Cases), "case", "cases"), t.NewCases, strings.Join(t.Cases, " "))
	}
	for _, line := range []struct {
		n         int
		one, many string
	}{
		{t.Referrals, "  1 case that was referred to your body came along.", "  %d cases that were referred to your body came along."},
		{t.Events, "  1 event of casework was not here.", "  %d events of casework were not here."},
		{t.Notes, "  1 note of their desk was not here: who had opened and copied what, and to whom a case was referred.", "  %d notes of their desk were not here: who had opened and copied what, and to whom a case was referred."},
		{t.Known, "  1 message was here already.", "  %d messages were here already."},
		{t.Mended, "  1 message was lost from this vault, and is back.", "  %d messages were lost from this vault, and are back."},
		{t.Erased, "  1 message was erased here, and stays erased; --again takes it back.", "  %d messages were erased here, and stay erased; --again takes them back."},
		{t.Back, "  1 message that was erased here is back.", "  %d messages that were erased here are back."},
		{t.Strangers, "  1 is from a stranger: in no case here, or not by whom its source chose. Not shown.", "  %d are from strangers: in no case here, or not by whom their source chose. Not shown."},
		{t.Refused, "  ! 1 WAS REFUSED: it is no message to your body, or is not signed as it says. Ask the holder who wrote the file.", "  ! %d WERE REFUSED: they are no messages to your body, or are not signed as they say. Ask the holder who wrote the file."},
	} {
		switch {
		case line.n == 1:
			d.printf("%s\n", line.one)
		case line.n > 1:
			d.printf(line.many+"\n", line.n)
		}
	}
}

type takeoverJSON struct {
	Kind      string   `json:"kind"`
	Body      string   `json:"body"`
	Holder    string   `json:"holder"`
	Day       string   `json:"day"`
	New       int      `json:"new"`
	Events    int      `json:"events"`
	Cases     []string `json:"cases"`
	NewCases  int      `json:"new_cases"`
	Known     int      `json:"known"`
	Mended    int      `json:"mended"`
	Erased    int      `json:"erased"`
	Back      int      `json:"taken_back"`
	Referrals int      `json:"referred_cases"`
	Notes     int      `json:"notes"`
	Strangers int      `json:"from_strangers"`
	Refused   int      `json:"refused"`
}

func newTakeoverJSON(t *reviewer.Takeover) takeoverJSON {
	if t.Kind == crypto.DeskReceipt {
		t.Cases = []string{t.Case}
	}
	kinds := map[crypto.DeskFileKind]string{crypto.DeskHandOver: "handover", crypto.DeskReferral: "referral", crypto.DeskReceipt: "receipt"}
	return takeoverJSON{
		Kind: kinds[t.Kind], Body: t.Body, Holder: t.Holder, Day: t.Day.String(), New: t.New, Events: t.Events, Cases: listed(t.Cases), NewCases: t.NewCases,
		Known: t.Known, Mended: t.Mended, Erased: t.Erased, Back: t.Back, Referrals: t.Referrals, Notes: t.Notes, Strangers: t.Strangers, Refused: t.Refused,
	}
}
