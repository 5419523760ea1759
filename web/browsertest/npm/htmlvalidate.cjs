// The rules of html-validate for every page: all that it recommends, but
module.exports = {
	root: true,
	extends: ["html-validate:recommended", "html-validate:document"],
	rules: {
		// "doctype" is written small here, always. HTML does not care.
		"doctype-style": ["error", {style: "lowercase"}],
		// web/htmlvalidate_test.go has this rule with one more exception: the rule
		// itself knows checkboxes that share a name, but not hidden fields that
		// stand for boxes ticked on the page before.
		"form-dup-name": "off",
		// HTML lets ">" stand in text, and what a source typed keeps it. A "<" or "&" that
		// stands for itself would show as an element or entity to the other rules.
		"no-raw-characters": "off",
		// The rule guards against buttons that submit by accident. Every button of
		// ours submits, and there is one in each form (web/htmlcheck_test.go).
		"no-implicit-button-type": "off",
	},
};
