'use strict'

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escape = text => String(text).replace(/[&<>"']/g, sign => ESCAPES[sign])
const euro = cents => `€${(cents / 100).toFixed(2)}`

// The fingerprint of the password is nobody's business.
const shortened = (key, value) => key === '_auth_user_hash' ? `${value.slice(0, 6)}…` : value

function layout ({ content, user, session, config }) {
  const account = user
    ? `<form method="post" action="/logout"><button class="link">Sign out, ${escape(user.username)}</button></form>`
    : '<a href="/login">Sign in</a>'
  const stored = session && Object.keys(session).length > 1
    ? `<pre class="data" role="region" tabindex="0" aria-labelledby="hood">${escape(JSON.stringify(session, shortened, 2))}</pre>`
    : '<p>No row yet: there is nothing to remember.</p>'
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>The Cookie Jar, on Express</title>
  <link rel="icon" href="/static/demo_site/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/static/sessionstore/sessionstore.css">
  <link rel="stylesheet" href="/static/demo_site/shop.css">
</head>
<body class="ss ss-page">
<header class="top"><div class="top-row">
  <a class="brand" href="/"><img src="/static/demo_site/icon.svg" alt="" width="32" height="32">The Cookie Jar, on Express</a>
  <nav aria-label="Main"><a href="${escape(config.django)}">The same shop on Django</a>${account}</nav>
</div></header>
<div class="columns">
  <main class="shop">${content}</main>
  <aside class="hood" aria-labelledby="hood"><h2 id="hood">What the row holds</h2>
    <p class="ss-quiet">Django hides <code>cookie</code> and <code>_sessionstore</code>, and shares the rest.</p>
    ${stored}
    ${user ? '' : '<p class="ss-quiet">Sign in on either half as <strong>alice</strong> or <strong>bob</strong>, password <strong>cookie-jar</strong>.</p>'}</aside>
</div>
</body>
</html>`
}

function shop (products, cart) {
  const rows = Object.entries(products).map(([slug, { name, cents }]) => `
    <tr><th scope="row">${escape(name)}</th>
      <td class="number"><form method="post" action="/cart/${slug}" class="quantity">
        <button name="less" class="step" aria-label="One less: ${escape(name)}">−</button>
        <span>${escape(cart[slug] || 0)}</span>
        <button name="more" class="step" aria-label="One more: ${escape(name)}">+</button></form></td>
      <td class="number">${euro(cents * (cart[slug] || 0))}</td></tr>`)
  const total = Object.entries(products)
    .reduce((sum, [slug, { cents }]) => sum + cents * (cart[slug] || 0), 0)
  return `<section class="ss-card" aria-labelledby="title"><h1 id="title">Cart</h1>
    <table class="lines">
    <thead><tr><th scope="col">Biscuit</th><th scope="col" class="number">Quantity</th><th scope="col" class="number">Price</th></tr></thead>
    <tbody>${rows.join('')}</tbody>
    <tfoot><tr><th scope="row" colspan="2">Total</th><td class="number">${euro(total)}</td></tr></tfoot>
    </table></section>`
}

function login (error) {
  return `<section class="ss-card ss-narrow" aria-labelledby="title"><h1 id="title">Sign in</h1>
    ${error ? `<p class="ss-field-error" role="alert">${escape(error)}</p>` : ''}
    <form method="post" action="/login" class="ss-form">
      <div class="ss-field"><label for="username">User name</label>
        <input id="username" name="username" autocomplete="username" required></div>
      <div class="ss-field"><label for="password">Password</label>
        <input id="password" name="password" type="password" autocomplete="current-password" required></div>
      <button type="submit" class="ss-button">Sign in</button>
    </form></section>`
}

module.exports = { layout, shop, login }
