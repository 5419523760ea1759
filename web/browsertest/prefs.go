package browsertest

import (
	"fmt"
	"net"
	"sort"
	"strings"
)

// quiet: nothing of Firefox's own goes out or opens a window.
const quiet = `
app.normandy.enabled = false
app.shield.optoutstudies.enabled = false
app.update.auto = false
browser.aboutwelcome.enabled = false
browser.fixup.alternate.enabled = false
browser.formfill.enable = false
browser.newtabpage.enabled = false
browser.places.speculativeConnect.enabled = false
browser.region.network.url = ""
browser.region.update.enabled = false
browser.safebrowsing.blockedURIs.enabled = false
browser.safebrowsing.downloads.enabled = false
browser.safebrowsing.malware.enabled = false
browser.safebrowsing.phishing.enabled = false
browser.search.suggest.enabled = false
browser.search.update = false
browser.shell.checkDefaultBrowser = false
browser.startup.homepage = "about:blank"
browser.startup.page = 0
browser.translations.enable = false
browser.urlbar.speculativeConnect.enabled = false
captivedetect.canonicalURL = ""
datareporting.healthreport.uploadEnabled = false
datareporting.policy.dataSubmissionEnabled = false
dom.push.enabled = false
dom.push.serverURL = ""
extensions.getAddons.cache.enabled = false
extensions.update.enabled = false
geo.enabled = false
identity.fxaccounts.enabled = false
marionette.port = 0
media.gmp-manager.updateEnabled = false
media.gmp-provider.enabled = false
network.captive-portal-service.enabled = false
network.connectivity-service.enabled = false
network.dns.disablePrefetch = true
network.http.speculative-parallel-limit = 0
network.predictor.enabled = false
network.prefetch-next = false
security.remote_settings.crlite_filters.enabled = false
security.remote_settings.intermediates.enabled = false
services.settings.server = "data:,"
signon.rememberSignons = false
startup.homepage_welcome_url = ""
toolkit.telemetry.enabled = false
toolkit.telemetry.server = "data:,"
toolkit.telemetry.unified = false
`

// proxied: everything through the SOCKS port, names too.
const proxied = `
network.dns.blockDotOnion = false
network.dns.disabled = true
network.file.disable_unc_paths = true
network.http.connection-retry-timeout = 0
network.http.http3.enable = false
network.http.max-persistent-connections-per-proxy = 256
network.proxy.allow_bypass = false
network.proxy.allow_hijacking_localhost = true
network.proxy.failover_direct = false
network.proxy.socks_remote_dns = true
network.proxy.socks_version = 5
network.proxy.type = 1
network.trr.mode = 5
`

// torBrowser: what Tor Browser's own profile sets and a page can notice.
const torBrowser = `
browser.cache.disk.enable = false
browser.display.use_system_colors = false
browser.privatebrowsing.autostart = true
browser.send_pings = false
dom.securecontext.allowlist_onions = true
dom.security.https_only_mode = true
dom.security.https_only_mode.upgrade_onion = false
dom.security.https_only_mode_pbm = true
dom.serviceWorkers.enabled = false
dom.w3c_touch_events.enabled = 0
font.default.ar = "sans-serif"
font.name.monospace.x-cyrillic = "Cousine"
font.name.monospace.x-unicode = "Cousine"
font.name.monospace.x-western = "Cousine"
font.name.sans-serif.ar = "Noto Naskh Arabic"
font.name.sans-serif.x-cyrillic = "Arimo"
font.name.sans-serif.x-unicode = "Arimo"
font.name.sans-serif.x-western = "Arimo"
font.name.serif.ar = "Noto Naskh Arabic"
font.name.serif.x-cyrillic = "Tinos"
font.name.serif.x-unicode = "Tinos"
font.name.serif.x-western = "Tinos"
intl.accept_languages = "en-US, en"
intl.locale.requested = "en-US"
javascript.use_us_english_locale = true
media.navigator.enabled = false
media.peerconnection.enabled = false
network.cookie.cookieBehavior = 1
network.cookie.cookieBehavior.pbmode = 1
network.http.referer.XOriginTrimmingPolicy = 2
network.http.referer.defaultPolicy = 2
network.http.referer.defaultPolicy.pbmode = 2
network.http.referer.hideOnionSource = true
pdfjs.enableScripting = false
privacy.firstparty.isolate = true
privacy.globalprivacycontrol.enabled = true
privacy.globalprivacycontrol.pbmode.enabled = true
privacy.partition.network_state = false
privacy.query_stripping.enabled = true
privacy.resistFingerprinting = true
privacy.resistFingerprinting.letterboxing = true
privacy.trackingprotection.enabled = false
privacy.trackingprotection.pbmode.enabled = false
privacy.window.maxInnerHeight = 900
privacy.window.maxInnerWidth = 1400
webgl.enable-webgl2 = false
`

// safest: the security level of that name, NoScript's part included.
const safest = `
gfx.downloadable_fonts.enabled = false
gfx.font_rendering.graphite.enabled = false
gfx.font_rendering.opentype_svg.enabled = false
javascript.enabled = false
javascript.options.asmjs = false
javascript.options.baselinejit = false
javascript.options.ion = false
javascript.options.native_regexp = false
javascript.options.wasm = false
mathml.disabled = true
media.mp4.enabled = false
media.ogg.enabled = false
media.wave.enabled = false
media.webm.enabled = false
svg.disabled = true
`

// userJS is the profile's preferences; o.Prefs come last and win.
func userJS(o Options) (string, error) {
	lines := quiet + proxied + torBrowser
	if o.Level == Safest {
		lines += safest
	}
	prefs := map[string]string{}
	for l := range strings.Lines(lines) {
		if name, value, ok := strings.Cut(strings.TrimSpace(l), " = "); ok {
			prefs[name] = value
		}
	}
	set := func(name string, value any) { prefs[name] = fmt.Sprintf("%#v", value) }
	socks := o.SOCKS
	set("network.proxy.no_proxies_on", "")
	if socks == "" {
		// The loopback address goes around a proxy where nobody listens.
		socks = "127.0.0.1:1"
		set("network.proxy.no_proxies_on", "127.0.0.1")
	}
	host, port, err := net.SplitHostPort(socks)
	if err != nil {
		return "", fmt.Errorf("SOCKS address: %w", err)
	}
	set("network.proxy.socks", host)
	prefs["network.proxy.socks_port"] = port
	set("browser.download.useDownloadDir", o.Downloads != "")
	if o.Downloads != "" {
		set("browser.download.dir", o.Downloads)
		set("browser.download.folderList", 2)
		set("browser.download.always_ask_before_handling_new_types", false)
		set("browser.download.alwaysOpenPanel", false)
	}
	if o.Width > 0 && o.Height > 0 {
		set("privacy.resistFingerprinting.letterboxing", false)
	}
	for name, value := range o.Prefs {
		switch value.(type) {
		case bool, int, string:
			set(name, value)
		default:
			return "", fmt.Errorf("preference %s: %T: bool, int or string", name, value)
		}
	}
	var b strings.Builder
	for name, value := range prefs {
		fmt.Fprintf(&b, "user_pref(%q, %s);\n", name, value)
	}
	out := strings.SplitAfter(b.String(), "\n")
	sort.Strings(out)
	return strings.Join(out, ""), nil
}
