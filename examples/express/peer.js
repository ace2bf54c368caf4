'use strict'

// The other side of the tests: any session, any value, at any moment, as JSON. Only with PEER=1.

const crypto = require('node:crypto')
const { promisify } = require('node:util')
const express = require('express')

const RealDate = Date
const waiting = new Map()

// Let Node's clock stand where the test's clock stands; null gives it back.
function setClock (ms) {
  if (ms === null) {
    globalThis.Date = RealDate
    return
  }
  globalThis.Date = class extends RealDate {
    constructor (...args) {
      if (args.length) super(...args)
      else super(ms)
    }

    static now () { return ms }
  }
}

function barrier (name) {
  if (!waiting.has(name)) {
    const gate = {}
    gate.held = new Promise(resolve => { gate.arrive = resolve })
    gate.released = new Promise(resolve => { gate.release = resolve })
    waiting.set(name, gate)
  }
  return waiting.get(name)
}

// Express 4 does not wait for a handler: an error in one would end the process.
const caught = handler => (req, res, next) => handler(req, res, next).catch(next)

// Requests here have no session of their own.
function control (store) {
  const router = express.Router()
  router.post('/clock', (req, res) => { setClock(req.body.ms); res.json(true) })
  router.post('/held/:name', caught(async (req, res) => {
    await barrier(req.params.name).held
    res.json(true)
  }))
  router.post('/release/:name', (req, res) => {
    barrier(req.params.name).release()
    waiting.delete(req.params.name)
    res.json(true)
  })
  const ask = async (verb, args, res) => {
    // The verbs take a callback; the newer ones of express-mysql-session 3 answer a promise alone.
    const answer = store[verb].length > args.length
      ? await promisify(store[verb]).apply(store, args)
      : await store[verb](...args)
    res.json(answer === undefined ? null : answer)
  }
  // The next set() of the store begins when this name is released.
  router.post('/holdSet/:name', (req, res) => {
    const { set } = store
    store.set = (...args) => {
      store.set = set
      barrier(req.params.name).arrive()
      barrier(req.params.name).released.then(() => store.set(...args))
    }
    res.json(true)
  })
  router.post('/createDatabaseTable', caught((req, res) => ask('createDatabaseTable', [], res)))
  router.post('/store/:verb', caught((req, res) => ask(req.params.verb, req.body, res)))
  return router
}

// Functions cannot pass as JSON: SESSION_OPTIONS={"genid": "given"} names one of these.
const genids = {
  // Ids that come again, as those of a site that makes them from its users.
  user: () => 'user-7',
  // As those of two applications on one table.
  shop: () => 'shop:' + crypto.randomBytes(24).toString('base64url'),
  blog: () => 'blog:' + crypto.randomBytes(24).toString('base64url'),
  // The id that the step newId gives; a random one without.
  given: req => req.newId || crypto.randomBytes(24).toString('base64url')
}
const named = ({ genid }) => genid ? { genid: genids[genid] } : {}

const called = (object, method, ...args) => new Promise((resolve, reject) => {
  object[method](...args, error => error ? reject(error) : resolve())
})

// JSON that is nested deeper than Python could send it.
function nested (levels, inDict) {
  let value = inDict ? {} : []
  for (let level = 1; level < levels; level++) value = inDict ? { a: value } : [value]
  return value
}

function levelsOf (value) {
  let levels = 0
  for (; value && typeof value === 'object'; levels++) value = value[0] || value.a
  return levels
}

// What a request can do to its session, by name; each is called with (req, ...arguments).
const steps = {
  set: (req, name, value) => { req.session[name] = value },
  nest: (req, name, levels, inDict) => { req.session[name] = nested(levels, inDict) },
  fill: (req, name, size) => { req.session[name] = 'é'.repeat(size / 2) },
  measure: (req, name) => { req.session.measured = levelsOf(req.session[name]) },
  delete: (req, name) => { delete req.session[name] },
  maxAge: (req, ms) => { req.session.cookie.maxAge = ms },
  expires: (req, date) => { req.session.cookie.expires = new Date(date) },
  save: req => called(req.session, 'save'),
  reload: req => called(req.session, 'reload'),
  regenerate: req => called(req.session, 'regenerate'),
  regenerateKeeping: async req => {
    const { cookie, ...kept } = req.session
    await called(req.session, 'regenerate')
    Object.assign(req.session, kept)
  },
  destroy: req => called(req.session, 'destroy'),
  assign: (req, body) => { Object.assign(req.session, body) },
  login: (req, id, options) => called(req, 'login', { id }, options || {}),
  // Without a callback in passport 0.5, which keeps the session at a login and at a logout.
  logout: (req, options) => req.logout.length < 2
    ? req.logout()
    : called(req, 'logout', options || {}),
  newId: (req, id) => { req.newId = id },
  head: req => { req.res.type('json').flushHeaders() },
  redirect: (req, path) => { req.res.redirect(303, path) },
  hold: async (req, name) => {
    barrier(name).arrive()
    await barrier(name).released
  }
}

// POST [["set", "a", 1], ["hold", "x"], ...] runs the steps and answers what the session holds.
function peer () {
  const router = express.Router()
  router.post('/', caught(async (req, res) => {
    const loaded = JSON.parse(JSON.stringify(req.session))
    for (const [step, ...args] of req.body) await steps[step](req, ...args)
    const answer = {
      id: req.sessionID,
      loaded,
      session: req.session || null,
      user: req.user ? req.user.id : null
    }
    if (!res.headersSent) res.json(answer)
    else if (!res.writableEnded) res.end(JSON.stringify(answer))
  }))
  return router
}

module.exports = { control, named, peer }
